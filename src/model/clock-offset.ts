import type { Clock } from "./clock.js";
import { clockOffsetOf, type Scrape } from "./scrape.js";

/** Seconds that the clock of an entry's origin may differ from this node's before its times mislead. */
export const clockTolerance = 5;

/** Whether the time of an entry's scrape, by its origin's clock, means here what it meant there. */
export function tellsTheTime(entry: Pick<Scrape, "scrapedAt" | "measuredAt">, clock: Clock): boolean {
  return Math.abs(clockOffsetOf(entry, clock)) <= clockTolerance;
}

/** How far the clock of each origin is ahead of this node's, in seconds, by its latest entry. */
export function clockOffsets(entries: Iterable<Scrape>, clock: Clock): Map<string, number> {
  const latest = new Map<string, Scrape>();
  for (const entry of entries) {
    const other = latest.get(entry.origin);
    if (other === undefined || entry.measuredAt > other.measuredAt) latest.set(entry.origin, entry);
  }
  return new Map([...latest].map(([origin, entry]) => [origin, clockOffsetOf(entry, clock)]));
}
