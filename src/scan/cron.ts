import { schedule } from "node-cron";
import type { Clock } from "../model/clock.js";
import { cycleAt } from "./schedule.js";

export interface CronOptions {
  /** Whole seconds between two runs. */
  readonly interval: number;
  readonly clock: Clock;
  /** One run; it must not reject. */
  readonly run: () => Promise<void>;
  /** Told instead of a run when the one before is not done yet. */
  readonly onSkip: () => void;
}

/**
 * Runs a job at once and then at every whole multiple of the interval, never twice at the same time.
 *
 * Cron looks every second whether a new cycle has begun: a pattern for every 25 or 7 seconds does not exist (a
 * step of 25 runs at 0, 25, 50 and then at 0 again).
 *
 * @returns a function that ends it; a run under way goes on.
 */
export function startCron({ interval, clock, run, onSkip }: CronOptions): () => Promise<void> {
  let running = false;
  let cycle = cycleAt(clock.now(), interval);
  const start = async () => {
    running = true;
    try {
      await run();
    } finally {
      running = false;
    }
  };
  const tick = () => {
    const current = cycleAt(clock.now(), interval);
    if (current === cycle) return;
    cycle = current;
    if (running) onSkip();
    else void start();
  };
  const task = schedule("* * * * * *", tick, { suppressMissedWarning: true });
  void start();
  return async () => {
    await task.destroy();
  };
}
