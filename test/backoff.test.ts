import { describe, expect, it } from "vitest";
import { Backoff, backoffDelay } from "../src/backoff.js";

describe("backoffDelay()", () => {
  it("doubles with each failure, up to the longest delay", () => {
    const delays = [1, 2, 3, 4, 5, 6].map((failures) => backoffDelay(failures, { first: 1, longest: 15 }));
    expect(delays).toEqual([1, 2, 4, 8, 15, 15]);
  });

  it("stays finite after any number of failures", () => {
    expect(backoffDelay(10_000, { first: 1, longest: 60 })).toBe(60);
    expect(backoffDelay(10_000, { first: 1, longest: 1e300 })).toBe(2 ** 30);
  });

  it("subtracts up to the given part at random", () => {
    const options = { first: 1000, longest: 10_000, jitter: 0.2 };
    expect(backoffDelay(1, options, () => 0)).toBe(1000);
    expect(backoffDelay(1, options, () => 0.999)).toBeCloseTo(800, -1);
    expect(backoffDelay(1, { ...options, jitter: 0 }, () => 0.999)).toBe(1000);
  });
});

describe("Backoff", () => {
  const noJitter = () => new Backoff({ first: 1000, longest: 15_000, jitter: 0.2 }, () => 0);

  it("waits longer after each failure and starts again after a success", () => {
    const backoff = noJitter();
    expect(backoff.wait(0)).toBe(0);
    const waits = Array.from({ length: 7 }, (_, index) => {
      const now = index * 100_000;
      backoff.failed(now);
      return backoff.wait(now);
    });
    expect(waits).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    expect(backoff.failures).toBe(7);
    backoff.succeeded();
    expect(backoff.failures).toBe(0);
    expect(backoff.wait(1_000_000)).toBe(0);
    backoff.failed(1_000_000);
    expect(backoff.wait(1_000_000)).toBe(1000);
  });

  it("counts down with the clock", () => {
    const backoff = noJitter();
    backoff.failed(0);
    expect([0, 400, 999, 1001].map((now) => backoff.wait(now))).toEqual([1000, 600, 1, 0]);
  });
});
