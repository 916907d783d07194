import { expect, it } from "vitest";
import { Backoff } from "../../src/replication/backoff.js";

/** After how many seconds it is due, tried every tenth of one. */
function waitAfter(backoff: Backoff, failedAt: number): number {
  let wait = 0;
  while (backoff.wait(failedAt + wait * 1000) > 0) wait = Math.round(10 * wait + 1) / 10;
  return wait;
}

it("what fails again and again is tried less and less often, but soon enough once it is well", () => {
  const backoff = new Backoff(() => 0);
  expect(waitAfter(backoff, 0)).toBe(0);
  const waits = Array.from({ length: 7 }, (_, index) => {
    const now = index * 100_000;
    backoff.failed(now, 15_000);
    return waitAfter(backoff, now);
  });
  expect(waits).toEqual([1, 2, 4, 8, 15, 15, 15]);
  expect(backoff.failures).toBe(7);
  backoff.succeeded();
  expect(waitAfter(backoff, 1_000_000)).toBe(0);
});
