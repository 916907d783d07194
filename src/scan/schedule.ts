/** Containers that never had metrics are asked at least this often, in seconds. */
const longestBackoff = 300;

/**
 * When the next cycle begins. Cycles begin at the whole multiples of the interval since the epoch, so any whole
 * interval is kept, also one that no cron pattern can say, and a restart does not shift them.
 *
 * @param now milliseconds since the epoch, as the answer is.
 * @param interval seconds.
 */
export function nextCycle(now: number, interval: number): number {
  return (Math.floor(now / 1000 / interval) + 1) * interval * 1000;
}

/** The cron pattern that means this second of the year, in UTC. @param moment milliseconds since the epoch. */
export function cronPattern(moment: number): string {
  const date = new Date(moment);
  const time = [date.getUTCSeconds(), date.getUTCMinutes(), date.getUTCHours()];
  return [...time, date.getUTCDate(), date.getUTCMonth() + 1, "*"].join(" ");
}

/**
 * When to ask a target without metrics again: after one interval, two, four, … up to five minutes.
 *
 * @param failures how often it was asked in vain, at least 1.
 * @param interval seconds between cycles.
 * @returns seconds. Half an interval less than said, as cycles do not begin on the dot.
 */
export function backoff(failures: number, interval: number): number {
  const wait = Math.min(interval * 2 ** Math.min(failures - 1, 30), Math.max(longestBackoff, interval));
  return wait - interval / 2;
}

/**
 * What was just started may need a moment before it listens: after these seconds it is asked again, unless it
 * has answered with metrics before.
 */
export const settlingRetries: readonly number[] = [0.25, 0.6, 1.2, 2.5, 5];
