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
  /** See `PublishedTarget`. */
  readonly firstSeen?: number;
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
 * Keeps one scrape per job and instance, because two would duplicate every sample: see `servedOf`.
 *
 * @returns the kept scrapes, ordered by instance.
 */
export function onePerInstance(scrapes: readonly Scrape[]): Scrape[] {
  if (scrapes.length < 2) return [...scrapes];
  const served = new Map<string, Scrape>();
  const claims = new Map<string, Scrape[]>();
  for (const scrape of scrapes) {
    const instance = instanceKeyOf(scrape);
    const first = served.get(instance);
    if (first === undefined) served.set(instance, scrape);
    else if (!claims.get(instance)?.push(scrape)) claims.set(instance, [first, scrape]);
  }
  for (const [instance, all] of claims) served.set(instance, servedOf(all));
  return inOrder([...served.values()]);
}

/** The scrapes ordered by instance, `web.2` before `web.10`. */
export function inOrder(scrapes: readonly Scrape[]): Scrape[] {
  return [...scrapes].sort(
    (a, b) => compareNaturally(a.job, b.job) || compareNaturally(a.replica, b.replica),
  );
}

/**
 * Which of several scrapes with one job and instance is served: that of the target that was started last, such as the
 * new container of a moved task. Targets without start times, such as those of a file, come last; of them, the one that
 * was seen first is served.
 *
 * Every node decides the same, and decides it again for every later scrape of the same targets. So the times that the
 * origins published decide. Clocks are compared only to exclude targets that were started clearly earlier, because
 * what a node measures of another clock varies with the delays of the network.
 *
 * @param claims at least one; their order does not matter.
 */
export function servedOf(claims: readonly Scrape[]): Scrape {
  if (claims.length === 1) return claims[0]!;
  const startOf = startsOf(claims);
  const latestStart = claims.reduce((latest, scrape) => Math.max(latest, startOf(scrape)), -Infinity);
  return claims
    .filter((scrape) => startOf(scrape) >= latestStart - startTolerance)
    .reduce((served, scrape) => (precedes(scrape, served) ? scrape : served));
}

/** Milliseconds: twice the delay with which a publication may arrive. */
const startTolerance = 5000;

/**
 * When targets were started, on this process's monotonic clock, in milliseconds. The latest scrape of an origin shows
 * its clock, so differences between clocks cancel out. An unknown start counts as long ago.
 */
function startsOf(scrapes: readonly Scrape[]): (scrape: Scrape) => number {
  const latest = new Map<string, Scrape>();
  for (const scrape of scrapes) {
    const other = latest.get(scrape.origin);
    if (other === undefined || scrape.measuredAt > other.measuredAt) latest.set(scrape.origin, scrape);
  }
  return ({ origin, startedAt }) => {
    const { scrapedAt, measuredAt } = latest.get(origin)!;
    return startedAt === 0 ? -Infinity : measuredAt - scrapedAt + startedAt;
  };
}

/** A total order of targets by what their origins published. */
function precedes(a: Scrape, b: Scrape): boolean {
  if (a.startedAt !== b.startedAt) return a.startedAt > b.startedAt;
  const [seenA = 0, seenB = 0] = [a.firstSeen, b.firstSeen];
  if (seenA !== seenB) return seenA < seenB;
  return a.origin === b.origin ? a.id < b.id : a.origin < b.origin;
}

/** Compares numbers in texts by value, independent of the system's locale. Faster than a collator: a name may have many replicas. */
export function compareNaturally(a: string, b: string): number {
  if (a === b) return 0;
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
