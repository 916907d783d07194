import { backoffDelay } from "../backoff.js";

/** Seconds after which a target that never had metrics is scraped again at the latest. */
const longestRetry = 300;

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

/**
 * When to scrape a target without metrics again: after one interval, two, four, and so on, up to five minutes.
 *
 * @param failures consecutive scrapes without metrics, at least 1.
 * @param interval seconds between cycles.
 * @returns seconds, shortened by half an interval because cycles do not start to the millisecond.
 */
export function retryDelay(failures: number, interval: number): number {
  return (
    backoffDelay(failures, { first: interval, longest: Math.max(longestRetry, interval) }) - interval / 2
  );
}

/**
 * Seconds after the start of a container at which it is scraped, until it has metrics: it may not listen yet.
 */
export const settlingRetries: readonly number[] = [0.25, 0.6, 1.2, 2.5, 5];
