import { describe, expect, it, onTestFinished, vi } from "vitest";
import { systemClock } from "../../src/model/clock.js";
import { cronPattern, nextCycle, startCron } from "../../src/scan/cron.js";

describe("schedule", () => {
  it.each([1, 7, 10, 25, 60, 90, 3600])("starts a cycle every %i s over hours and days", (interval) => {
    const starts: number[] = [];
    for (let now = 500; now < 200_000_000; now = starts.at(-1)!) starts.push(nextCycle(now, interval));
    expect(starts[0]).toBe(interval * 1000);
    const gaps = new Set(starts.slice(1).map((start, index) => start - starts[index]!));
    expect([...gaps]).toEqual([interval * 1000]);
  });

  it("creates a cron pattern from the second, minute, hour, day and month in UTC", () => {
    expect(cronPattern(Date.UTC(2026, 1, 3, 4, 5, 6))).toBe("6 5 4 3 2 *");
  });
});

describe("startCron()", () => {
  it("runs at once, then at each interval, until it is stopped", async () => {
    const run = vi.fn(async () => undefined);
    const stop = startCron({ interval: 1, clock: systemClock, run });
    expect(run).toHaveBeenCalledTimes(1);
    await vi.waitFor(() => expect(run.mock.calls.length).toBeGreaterThanOrEqual(3), { timeout: 5000 });
    await stop();
    const runs = run.mock.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(run).toHaveBeenCalledTimes(runs);
  });

  it("starts a run at each interval although earlier ones never end", async () => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1, 0, 0, 3) });
    onTestFinished(() => void vi.useRealTimers());
    const starts: number[] = [];
    const run = () => {
      starts.push(new Date().getUTCSeconds());
      return new Promise<void>(() => undefined);
    };
    const stop = startCron({ interval: 10, clock: systemClock, run });
    onTestFinished(stop);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(starts).toEqual([3, 10, 20, 30]);
  });

  it.each([
    ["back by two hours", -7_200_000],
    ["ahead by two hours", 7_200_000],
    ["ahead by ten years", 315_360_000_000],
  ])("continues when the clock is set %s", async (_, milliseconds) => {
    vi.useFakeTimers({ now: Date.UTC(2026, 1, 28, 23, 59, 50) });
    onTestFinished(() => void vi.useRealTimers());
    const run = vi.fn(async () => undefined);
    const stop = startCron({ interval: 5, clock: systemClock, run });
    onTestFinished(stop);
    await vi.advanceTimersByTimeAsync(22_000);
    expect(run).toHaveBeenCalledTimes(5);
    vi.setSystemTime(Date.now() + milliseconds);
    await vi.advanceTimersByTimeAsync(22_000);
    expect([9, 10]).toContain(run.mock.calls.length);
  });
});
