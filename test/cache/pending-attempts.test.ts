import { describe, expect, it } from "vitest";
import { maxAttempts } from "../../src/archive/batch-columns.js";
import { chunksOf, type PendingAttempt, renumber } from "../../src/cache/pending-attempts.js";
import { batch, failure, held, success, textType } from "../support/publications.js";

function pending(number: number | string): PendingAttempt {
  const outcome =
    typeof number === "string" ? { reason: number } : { number, contentType: textType, size: 5, samples: 1 };
  return { target: 1, at: 100, scrapedAt: 200, duration: 0.01, outcome, batch: undefined, local: false };
}

describe("chunksOf", () => {
  it("cuts attempts into batches that receivers accept", () => {
    const attempts = new Array<PendingAttempt>(maxAttempts * 2 + 1).fill(pending(1));
    expect(chunksOf(attempts).map(({ length }) => length)).toEqual([maxAttempts, maxAttempts, 1]);
  });

  it("returns an empty batch only on request", () => {
    expect(chunksOf([])).toEqual([]);
    expect(chunksOf([], true)).toEqual([[]]);
    expect(chunksOf([pending(1)], true)).toHaveLength(1);
  });
});

describe("renumber", () => {
  it("assigns each scrape one new number, and keeps times, failures and scope", () => {
    const time = 1_000_000;
    const attempts = [success("a", 5, { ago: 10 }), success("b", 6), failure("c")];
    const published = [
      held(batch(7, attempts, { time }), 500),
      held(batch(8, [success("d", 5)], { local: true, time }), 500),
    ];
    let next = 100;
    const { attempts: again, numbers } = renumber(published, [pending(6), pending("timeout")], () => next++);
    expect([...numbers]).toEqual([
      [5, 100],
      [6, 101],
    ]);
    expect(again.map(({ outcome }) => ("number" in outcome ? outcome.number : outcome.reason))).toEqual([
      100,
      101,
      "connection refused",
      100,
      101,
      "timeout",
    ]);
    expect(again.map(({ local }) => local)).toEqual([false, false, false, true, false, false]);
    expect(again.every((attempt) => attempt.batch === undefined)).toBe(true);
    expect(again[0]).toMatchObject({ at: 490, scrapedAt: time - 10 });
  });
});
