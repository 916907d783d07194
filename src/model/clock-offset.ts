import type { Clock } from "./clock.js";
import { clockOffsetOf, type Scrape } from "./scrape.js";

/** Seconds that the clock of an origin may differ from this node's before the difference is reported. */
export const clockTolerance = 5;
/** Seconds beyond which `/federate` omits an origin. Prometheus rejects samples that are farther in the future. */
export const maxClockOffset = 600;

/** The start of an attempt, on the origin's wall clock and on this process's monotonic clock. */
type Times = Pick<Scrape, "scrapedAt" | "measuredAt">;

/** Whether the timestamp of an attempt, by its origin's clock, is close enough to this node's clock to be served. */
export function hasUsableClock(times: Times, clock: Clock): boolean {
  return Math.abs(clockOffsetOf(times, clock)) <= maxClockOffset;
}

/** How far the clock of each origin is ahead of this node's, in seconds, according to its latest scrape. */
export function clockOffsets(
  scrapes: Iterable<Times & Pick<Scrape, "origin">>,
  clock: Clock,
): Map<string, number> {
  const latest = new Map<string, Times>();
  for (const scrape of scrapes) {
    const other = latest.get(scrape.origin);
    if (other === undefined || scrape.measuredAt > other.measuredAt) latest.set(scrape.origin, scrape);
  }
  return new Map([...latest].map(([origin, times]) => [origin, clockOffsetOf(times, clock)]));
}
