import { schedule } from "node-cron";
import type { Clock } from "../model/clock.js";
import { cronPattern, nextCycle } from "./schedule.js";

export interface CronOptions {
  /** Whole seconds between two runs. */
  readonly interval: number;
  readonly clock: Clock;
  /** One run; it must not reject. */
  readonly run: () => Promise<void>;
  /** Told instead of a run when the one before is not done yet. */
  readonly onSkip: () => void;
}

/** Milliseconds after which a beat is overdue. */
const patience = 1500;

/**
 * Runs a job at once and then at every whole multiple of the interval, never twice at the same time.
 *
 * Each time cron is told but the next moment: a pattern for every 25 or 7 seconds does not exist (a step of 25 runs at
 * 0, 25, 50 and then at 0 again). And when the wall clock is put ahead, by a day as on a machine that has no battery
 * for it, there is one moment that was missed, where for all seconds of that day cron would calculate for minutes.
 * When the clock is put back cron would wait until it is as late again: a timer, which no clock puts off, does not.
 *
 * @returns a function that ends it; a run under way goes on.
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
    const beat = () => {
      void disarm();
      arm();
      if (running) onSkip();
      else void start();
    };
    const task = schedule(cronPattern(moment), beat, { timezone: "UTC", suppressMissedWarning: true });
    task.on("execution:missed", beat);
    const overdue = setTimeout(beat, moment - clock.now() + patience);
    disarm = async () => {
      clearTimeout(overdue);
      await task.destroy();
    };
  };
  arm();
  void start();
  return () => disarm();
}
