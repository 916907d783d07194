import { describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/model/clock.js";
import { startCron } from "../../src/scan/cron.js";
import { backoff, cycleAt } from "../../src/scan/schedule.js";

describe("the schedule", () => {
  it.each([1, 7, 10, 25, 60, 90, 3600])("has a cycle every %i s, over hours and days", (interval) => {
    const starts: number[] = [];
    let cycle = cycleAt(0, interval);
    for (let second = 1; second < 200_000; second++) {
      const current = cycleAt(second * 1000, interval);
      if (current !== cycle) starts.push(second);
      cycle = current;
    }
    const gaps = new Set(starts.slice(1).map((start, index) => start - starts[index]!));
    expect([...gaps]).toEqual([interval]);
  });

  it("asks what has no metrics after one, two, four … intervals, five minutes at most", () => {
    expect([1, 2, 3, 4].map((failures) => backoff(failures, 10))).toEqual([5, 15, 35, 75]);
    expect(backoff(50, 10)).toBe(295);
    expect(backoff(1, 3600)).toBe(1800);
  });
});

describe("cron", () => {
  it("runs at once, then at each interval, and ends when told", async () => {
    const run = vi.fn(async () => undefined);
    const stop = startCron({ interval: 1, clock: systemClock, run, onSkip: () => undefined });
    expect(run).toHaveBeenCalledTimes(1);
    await vi.waitFor(() => expect(run.mock.calls.length).toBeGreaterThanOrEqual(3), { timeout: 5000 });
    await stop();
    const runs = run.mock.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(run).toHaveBeenCalledTimes(runs);
  });

  it("leaves out and tells the runs that come while one is under way", async () => {
    let running = 0;
    let most = 0;
    const skipped = vi.fn();
    const run = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      running--;
    };
    const stop = startCron({ interval: 1, clock: systemClock, run, onSkip: skipped });
    await vi.waitFor(() => expect(skipped).toHaveBeenCalled(), { timeout: 5000 });
    await stop();
    expect(most).toBe(1);
  });
});
