import type { Clock } from "./clock.js";
import { clockOffsetOf, type Scrape } from "./scrape.js";

/** Seconds that the clock of an origin may differ from this node's before its timestamps are considered wrong. */
export const clockTolerance = 5;

/** Whether the timestamp of a scrape, by its origin's clock, is close enough to this node's clock to be served. */
export function hasUsableClock(scrape: Pick<Scrape, "scrapedAt" | "measuredAt">, clock: Clock): boolean {
  return Math.abs(clockOffsetOf(scrape, clock)) <= clockTolerance;
}

/** How far the clock of each origin is ahead of this node's, in seconds, according to its latest scrape. */
export function clockOffsets(scrapes: Iterable<Scrape>, clock: Clock): Map<string, number> {
  const latest = new Map<string, Scrape>();
  for (const scrape of scrapes) {
    const other = latest.get(scrape.origin);
    if (other === undefined || scrape.measuredAt > other.measuredAt) latest.set(scrape.origin, scrape);
  }
  return new Map([...latest].map(([origin, scrape]) => [origin, clockOffsetOf(scrape, clock)]));
}
