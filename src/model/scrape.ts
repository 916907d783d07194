import type { Clock } from "./clock.js";
import { type Identity, instanceKeyOf } from "./target.js";

/**
 * One successful response of a target, joined with the current identity of its target. Immutable. If a response has
 * the same bytes as the previous one, the scrape has new times, but the same number and the same `gzip` object.
 */
export interface Scrape extends Identity {
  /** Id of the target on its origin, such as `docker:<container id>`. */
  readonly id: string;
  /** Name of the node that made the scrape. */
  readonly origin: string;
  /** Identifies these bytes among all publications and scrapes of the origin; see `model/number.ts`. */
  readonly number: number;
  /** The exposition as it is stored and served: one gzip stream. */
  readonly gzip: Buffer;
  /** A valid Content-Type of the exposition. */
  readonly contentType: string;
  /** Uncompressed size in bytes. */
  readonly size: number;
  readonly samples: number;
  /** URL of the response. */
  readonly url: string;
  /** Start of the scrape by the origin's wall clock, in milliseconds since the epoch. */
  readonly scrapedAt: number;
  /** Duration of the scrape in seconds. */
  readonly duration: number;
  /** Start of the target by the origin's wall clock, in milliseconds since the epoch; 0 if unknown. */
  readonly startedAt: number;
  /** Start of the scrape on this process's monotonic clock, in milliseconds. Ages are measured from it. */
  readonly measuredAt: number;
}

/** The age of a scrape in seconds, at least 0. Independent of wall clocks. */
export function ageOf(scrape: Pick<Scrape, "measuredAt">, monotonic: number): number {
  return Math.max(0, (monotonic - scrape.measuredAt) / 1000);
}

/**
 * How far the clock of a scrape's origin is ahead of this node's, in seconds; negative if it is behind. The origin's
 * clock now shows the time of the scrape plus its age, and ages do not depend on wall clocks.
 */
export function clockOffsetOf(scrape: Pick<Scrape, "scrapedAt" | "measuredAt">, clock: Clock): number {
  return (scrape.scrapedAt + (clock.monotonic() - scrape.measuredAt) - clock.now()) / 1000;
}

/**
 * Keeps one scrape per job and instance, because two would duplicate every sample: the scrape of the target that was
 * started last, or the youngest if both started at the same time. This drops the old container of a moved task.
 *
 * @returns the kept scrapes, ordered by instance.
 */
export function onePerInstance(scrapes: readonly Scrape[]): Scrape[] {
  if (scrapes.length < 2) return [...scrapes];
  const winners = new Map<string, Scrape>();
  for (const scrape of scrapes) {
    const instance = instanceKeyOf(scrape);
    const other = winners.get(instance);
    if (other === undefined || supersedes(scrape, other)) winners.set(instance, scrape);
  }
  return [...winners.entries()].sort(([a], [b]) => compareNaturally(a, b)).map(([, scrape]) => scrape);
}

function supersedes(scrape: Scrape, other: Scrape): boolean {
  const sameClock = scrape.origin === other.origin;
  const started = sameClock ? scrape.startedAt : startOf(scrape);
  const otherStarted = sameClock ? other.startedAt : startOf(other);
  return started === otherStarted ? scrape.measuredAt > other.measuredAt : started > otherStarted;
}

/**
 * When the target was started, on this process's monotonic clock. The age of the target at the scrape is a difference
 * of two times of its origin's clock, so clock offsets cancel out. An unknown start counts as long ago.
 */
function startOf({ startedAt, scrapedAt, measuredAt }: Scrape): number {
  return startedAt === 0 ? Number.NEGATIVE_INFINITY : measuredAt - (scrapedAt - startedAt);
}

/** Orders `web.2` before `web.10`, independent of the system's locale. Faster than a collator: a name may have many replicas. */
function compareNaturally(a: string, b: string): number {
  let pos = 0;
  while (pos < a.length && a.charCodeAt(pos) === b.charCodeAt(pos)) pos++;
  while (pos > 0 && isDigit(a, pos - 1)) pos--;
  const [aEnd, bEnd] = [endOfDigits(a, pos), endOfDigits(b, pos)];
  if (aEnd === pos || bEnd === pos) return a < b ? -1 : Number(a > b);
  return aEnd - bEnd || (a < b ? -1 : Number(a > b));
}

function endOfDigits(text: string, start: number): number {
  let pos = start;
  while (isDigit(text, pos)) pos++;
  return pos;
}

function isDigit(text: string, pos: number): boolean {
  const code = text.charCodeAt(pos);
  return code >= 48 && code <= 57;
}
