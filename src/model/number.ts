/**
 * Every scrape, batch and document of an origin has a number: the origin's wall clock in microseconds, or one more than
 * the highest number known under the origin's name, whichever is higher. Numbers therefore rise even after a restart,
 * after the clock is set back, and after the disk is lost.
 */

/** Numbers from this limit on are rejected, so that an origin can always exceed the numbers that peers have. */
export const numberLimit = 2 ** 52;

/**
 * The next number of an origin.
 *
 * @param known the highest number known under the origin's name; 0 if there is none.
 * @param now the wall clock in milliseconds since the epoch.
 */
export function nextNumber(known: number, now: number): number {
  return Math.max(Math.floor(now * 1000), known + 1);
}

/** Whether a received value is a valid number. */
export function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 && value < numberLimit;
}
