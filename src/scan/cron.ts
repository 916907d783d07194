import { schedule } from "node-cron";
import type { Clock } from "../model/clock.js";
import { cronPattern, nextCycle } from "./schedule.js";

export interface CronOptions {
  /** Whole seconds between two runs. */
  readonly interval: number;
  readonly clock: Clock;
  /** Must not reject. */
  readonly run: () => Promise<void>;
  /** Called instead of a run while the previous one is still running. */
  readonly onSkip: () => void;
}

/** Milliseconds after which a run is overdue. */
const overdueMs = 1500;

/**
 * Runs a job at once and then at every multiple of the interval, never twice at the same time.
 *
 * Each cron schedule has only one date, the next run, for two reasons. No pattern means every 25 or 7 seconds: a step
 * of 25 runs at 0, 25, 50 and again at 0. And if the wall clock is set ahead by a day, as on a machine without a
 * battery, only one run is missed; with a pattern, cron computes all missed runs of that day, which takes minutes. If
 * the clock is set back, cron waits until it reaches the date again; the timer, which uses the monotonic clock, does
 * not.
 *
 * @returns a function that stops the schedule. A run in progress continues.
 */
export function startCron({ interval, clock, run, onSkip }: CronOptions): () => Promise<void> {
  let running = false;
  let disarm = async (): Promise<void> => undefined;
  const start = async () => {
    running = true;
    try {
      await run();
    } finally {
      running = false;
    }
  };
  const arm = () => {
    const moment = nextCycle(clock.now(), interval);
    const onTime = () => {
      void disarm();
      arm();
      if (running) onSkip();
      else void start();
    };
    const task = schedule(cronPattern(moment), onTime, { timezone: "UTC", suppressMissedWarning: true });
    task.on("execution:missed", onTime);
    const overdue = setTimeout(onTime, moment - clock.now() + overdueMs);
    disarm = async () => {
      clearTimeout(overdue);
      await task.destroy();
    };
  };
  arm();
  void start();
  return () => disarm();
}
