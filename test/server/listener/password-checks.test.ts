import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PasswordChecks } from "../../../src/server/listener/password-checks.js";

const limits = { perSecond: 5, waiting: 6, waitingPerClient: 2 };
const password = Buffer.from("p");

describe("password checks", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("run one at a time and at a limited rate", async () => {
    let running = 0;
    let most = 0;
    let begun = 0;
    const checks = new PasswordChecks(limits, async () => {
      begun++;
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 60));
      running--;
      return true;
    });
    for (let client = 0; client < 6; client++) void checks.check(password, "hash", String(client));
    await vi.advanceTimersByTimeAsync(999);
    expect(begun).toBe(5);
    await vi.advanceTimersByTimeAsync(1);
    expect(begun).toBe(6);
    expect(most).toBe(1);
  });

  it("continue after an error", async () => {
    let calls = 0;
    const checks = new PasswordChecks(limits, async () => {
      if (++calls === 1) throw new Error("no memory");
      return true;
    });
    const first = checks.check(password, "hash", "a");
    const second = checks.check(password, "hash", "b");
    await expect(first).rejects.toThrow("no memory");
    await vi.advanceTimersByTimeAsync(200);
    expect(await second).toBe(true);
  });

  it("have a limited queue, in total and per client", () => {
    const checks = new PasswordChecks(limits, () => new Promise(() => {}));
    const ask = (client: string) => checks.check(password, "hash", client) !== undefined;
    // One is running, two wait.
    expect([ask("a"), ask("a"), ask("a"), ask("a")]).toEqual([true, true, true, false]);
    expect([ask("b"), ask("c"), ask("d"), ask("e"), ask("f")]).toEqual([true, true, true, true, false]);
  });

  it("end when stopped", async () => {
    let calls = 0;
    const checks = new PasswordChecks(limits, async () => ++calls > 0);
    void checks.check(password, "hash", "a");
    void checks.check(password, "hash", "b");
    checks.stop();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(calls).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
