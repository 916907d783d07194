import type { Clock } from "./clock.js";
import { type Identity, instanceKeyOf } from "./target.js";

/** The last good exposition of one target. An entry is never changed, only replaced by its successor. */
export interface Scrape extends Identity {
  /** Id of the target on its origin, such as `docker:<container id>`. */
  readonly id: string;
  /** Hostname of the node that scraped it. */
  readonly origin: string;
  /** The exposition as it is stored and served: one gzip stream. */
  readonly gzip: Buffer;
  /** A valid Content-Type for what is inside. */
  readonly contentType: string;
  /** Inflated size in bytes. */
  readonly size: number;
  readonly samples: number;
  /** Where it was fetched. */
  readonly url: string;
  /** When the scrape began, by the origin's wall clock, in milliseconds since the epoch. */
  readonly scrapedAt: number;
  /** How long the scrape took, in seconds. */
  readonly duration: number;
  /** When the target was started, in milliseconds since the epoch. */
  readonly startedAt: number;
  /** The moment of the scrape on this process's monotonic clock: an age is counted from here. */
  readonly measuredAt: number;
  /** The origin's epoch when it published this exposition; 0 for what is not published. */
  readonly epoch: number;
  /** The number that its origin gave to this exposition, unlike any other of the epoch; 0 for what is not published. */
  readonly sequence: number;
  /** The origin's sequence, as far as it is known here, when the times of the scrape were last renewed. */
  readonly renewed: number;
}

/** What is scraped, before it is published. */
export const unpublished = { epoch: 0, sequence: 0, renewed: 0 } as const;

/** The age of an entry in seconds, never below 0, whatever the wall clocks say. */
export function ageOf(entry: Pick<Scrape, "measuredAt">, monotonic: number): number {
  return Math.max(0, (monotonic - entry.measuredAt) / 1000);
}

/**
 * How far the clock of an entry's origin is ahead of this node's, in seconds; below 0 where it is behind. What the
 * origin's clock shows now is the time of the scrape and the age since, which travels as such.
 */
export function clockOffsetOf(entry: Pick<Scrape, "scrapedAt" | "measuredAt">, clock: Clock): number {
  return (entry.scrapedAt + (clock.monotonic() - entry.measuredAt) - clock.now()) / 1000;
}

/**
 * Of entries for one job and instance only one counts, or its samples would be there twice: the one whose target
 * was started later, among equals the fresher. That leaves out the old container of a task that moved.
 *
 * @returns those that count, ordered by instance.
 */
export function onePerInstance(entries: readonly Scrape[]): Scrape[] {
  if (entries.length < 2) return [...entries];
  const winners = new Map<string, Scrape>();
  for (const entry of entries) {
    const instance = instanceKeyOf(entry);
    const other = winners.get(instance);
    if (other === undefined || supersedes(entry, other)) winners.set(instance, entry);
  }
  return [...winners.entries()].sort(([a], [b]) => compareNaturally(a, b)).map(([, entry]) => entry);
}

function supersedes(entry: Scrape, other: Scrape): boolean {
  const sameClock = entry.origin === other.origin;
  const started = sameClock ? entry.startedAt : startOf(entry);
  const otherStarted = sameClock ? other.startedAt : startOf(other);
  return started === otherStarted ? entry.measuredAt > other.measuredAt : started > otherStarted;
}

/**
 * When the target was started, on this process's monotonic clock: how old it was at the scrape is a difference of
 * two times of one clock, its origin's, so clocks that differ do no harm. A start that is not known was long ago.
 */
function startOf({ startedAt, scrapedAt, measuredAt }: Scrape): number {
  return startedAt === 0 ? Number.NEGATIVE_INFINITY : measuredAt - (scrapedAt - startedAt);
}

/** Orders `web.2` before `web.10`, the same on every machine. */
function compareNaturally(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

const collator = new Intl.Collator("en", { numeric: true });
