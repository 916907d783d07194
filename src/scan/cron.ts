import { schedule } from "node-cron";
import type { Clock } from "../model/clock.js";

export interface CronOptions {
  /** Whole seconds between two runs. */
  readonly interval: number;
  readonly clock: Clock;
  /** Called although earlier runs may still be in progress. Must not reject. */
  readonly run: () => Promise<void>;
}

/** Milliseconds after which a run is overdue. */
const overdueMs = 1500;

/**
 * Starts a job at once and then at every multiple of the interval, however long it runs.
 *
 * Each cron schedule has only one date, the next run: no pattern means every 25 seconds (a step of 25 runs at 0, 25, 50
 * and again at 0), and if the wall clock is set ahead by a day, cron takes minutes to compute the missed runs of a
 * pattern. If the clock is set back, cron waits for the date again; the timer, on the monotonic clock, does not.
 *
 * @returns a function that stops the schedule. Runs in progress continue.
 */
export function startCron({ interval, clock, run }: CronOptions): () => Promise<void> {
  let disarm = async (): Promise<void> => undefined;
  const arm = () => {
    const moment = nextCycle(clock.now(), interval);
    let isOver = false;
    const onTime = () => {
      // If the clock was set ahead, cron reports a missed run several times.
      if (isOver) return;
      isOver = true;
      void disarm();
      arm();
      void run();
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
  void run();
  return () => disarm();
}

/**
 * When the next cycle starts. Cycles start at multiples of the interval since the Unix epoch, so that a restart does
 * not shift them and any number of seconds is possible, which is not the case for cron patterns.
 *
 * @param now milliseconds since the Unix epoch.
 * @param interval seconds.
 * @returns milliseconds since the Unix epoch.
 */
export function nextCycle(now: number, interval: number): number {
  return (Math.floor(now / 1000 / interval) + 1) * interval * 1000;
}

/** The cron pattern of one second of the year, in UTC. @param moment milliseconds since the Unix epoch. */
export function cronPattern(moment: number): string {
  const date = new Date(moment);
  const time = [date.getUTCSeconds(), date.getUTCMinutes(), date.getUTCHours()];
  return [...time, date.getUTCDate(), date.getUTCMonth() + 1, "*"].join(" ");
}
