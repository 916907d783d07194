import type { Cache } from "../../cache/cache.js";
import type { KnownTarget } from "../../cache/name-index.js";
import type { TimedAttempt } from "../../cache/target-scrapes.js";
import { inSteps, type Steps } from "../../exposition/steps.js";
import type { Clock } from "../../model/clock.js";
import { succeeded } from "../../model/publication.js";
import { compareNaturally, onePerInstance, type Scrape } from "../../model/scrape.js";
import { instanceKeyOf } from "../../model/target.js";
import { hasMetrics } from "../../model/target-status.js";

/** Of more targets with one job and instance, the latest are used. A container that restarts all the time has many. */
const maxTargetsOfInstance = 100;
/** More instances are not sorted: that would take too long in one step. */
const maxSorted = 10_000;

/** A target with its attempts, oldest first. */
interface Tried extends Pick<KnownTarget, "origin" | "target" | "scrape"> {
  readonly attempts: readonly TimedAttempt[];
}

/** An attempt to scrape a target, as part of `/federate`. */
export interface FederatedAttempt
  extends Pick<
    Scrape,
    "origin" | "id" | "names" | "job" | "replica" | "scrapedAt" | "measuredAt" | "duration"
  > {
  readonly up: boolean;
  /** 0 if it failed. */
  readonly samples: number;
  /** Undefined if it failed, or if its bytes are not in the cache. */
  readonly scrape: Scrape | undefined;
  /** Whether the response has `up` and the other metrics about scrapes for it. */
  readonly isReported: boolean;
  /** Whether it is only part of the history: a response without it still has the newest samples. */
  readonly isHistory: boolean;
}

export interface Selection {
  /** Only services with one of these names; default: all. */
  readonly names?: ReadonlySet<string>;
  /** Attempts of this many seconds, in addition to the newest ones. */
  readonly history?: number;
}

/**
 * The attempts for a response of `/federate`, ordered by instance (up to 10,000), then by timestamp. Without a history, these are of
 * each instance the attempt with the newest fresh scrape, and, if that is another one, the last attempt, which is the
 * one that is reported. A history includes targets that have ended. Containers that never had metrics are not included:
 * nobody expects them to be up.
 */
export function* selectAttempts(cache: Cache, clock: Clock, selection: Selection): Steps<FederatedAttempt[]> {
  const { history } = selection;
  const instances = new Map<string, Tried[]>();
  yield* inSteps(candidates(cache, selection), ({ origin, target, scrape }) => {
    const attempts = cache.feed(origin)?.scrapes.attemptsOf(target.id) ?? [];
    if (attempts.length === 0 || (!hasMetrics(target) && !attempts.some(succeeded))) return;
    const key = instanceKeyOf(target);
    const known = { origin, target, scrape, attempts };
    const others = instances.get(key);
    if (others === undefined) instances.set(key, [known]);
    else others.push(known);
  });
  const since = history === undefined ? undefined : clock.monotonic() - history * 1000;
  const ordered = [...instances];
  if (ordered.length <= maxSorted) ordered.sort(([a], [b]) => compareNaturally(a, b));
  const selected: FederatedAttempt[] = [];
  yield* inSteps(ordered, ([, targets]) => {
    for (const attempt of attemptsOfInstance(cache, targets, since)) selected.push(attempt);
  });
  return selected;
}

/** The targets with one of the names. The index does not have those that have ended. */
function* candidates(cache: Cache, { names, history }: Selection): Generator<KnownTarget> {
  if (names === undefined || history !== undefined) {
    for (const known of cache.targets()) {
      const { target } = known;
      if (history === undefined && target.state === "gone") continue;
      if (names === undefined || names.has(target.job) || target.names.some((name) => names.has(name)))
        yield known;
    }
    return;
  }
  const found = new Set<KnownTarget>();
  for (const name of names) {
    for (const targets of cache.index.replicas(name)) {
      for (const known of targets) if (!found.has(known)) yield known;
      for (const known of targets) found.add(known);
    }
  }
}

/** @param since start of the history on the monotonic clock. */
function attemptsOfInstance(
  cache: Cache,
  targets: readonly Tried[],
  since: number | undefined,
): FederatedAttempt[] {
  const newest = newestOf(cache, targets);
  const all =
    since === undefined
      ? newest
      : [
          ...newest,
          ...served(cache, targets).filter(
            (one) => one.attempt.at >= since && !newest.some(({ attempt }) => attempt === one.attempt),
          ),
        ];
  return all
    .map((one, index) => {
      const isReported = since !== undefined || index === newest.length - 1;
      return { ...federated(cache, one), isReported, isHistory: index >= newest.length };
    })
    .sort((a, b) => a.scrapedAt - b.scrapedAt);
}

interface KnownAttempt {
  readonly known: Tried;
  readonly attempt: TimedAttempt;
}

/** The attempt with the newest fresh scrape of an instance, and the last attempt of its target. */
function newestOf(cache: Cache, targets: readonly Tried[]): KnownAttempt[] {
  const fresh = targets.flatMap(({ scrape }) =>
    scrape !== undefined && cache.isFresh(scrape) ? [scrape] : [],
  );
  const [scrape] = onePerInstance(fresh);
  const living = targets.filter(({ target }) => target.state !== "gone");
  const known =
    living.find((one) => scrape !== undefined && one.scrape === scrape) ??
    living.reduce<Tried | undefined>(
      (latest, one) => (lastOf(one) > (latest === undefined ? -Infinity : lastOf(latest)) ? one : latest),
      undefined,
    );
  if (known === undefined) return [];
  const { attempts } = known;
  const scraped = scrape && attempts.findLast(({ at }) => at === scrape.measuredAt);
  const last = attempts.at(-1)!;
  return [scraped, last === scraped || !cache.isFresh({ measuredAt: last.at }) ? undefined : last].flatMap(
    (attempt) => (attempt === undefined ? [] : [{ known, attempt }]),
  );
}

function lastOf({ attempts }: Tried): number {
  return attempts.at(-1)?.at ?? -Infinity;
}

/**
 * The attempts of the targets of one instance, without those at times when another of the targets was served. Else two
 * targets would alternate in one series.
 */
function served(cache: Cache, targets: readonly Tried[]): KnownAttempt[] {
  if (targets.length === 1) return targets[0]!.attempts.map((attempt) => ({ known: targets[0]!, attempt }));
  const latest = [...targets].sort((a, b) => lastOf(b) - lastOf(a)).slice(0, maxTargetsOfInstance);
  const scrapes = new Map<Scrape, Tried>();
  const others: Tried[] = [];
  for (const known of latest) {
    const scrape = lastScrapeOf(cache, known);
    if (scrape === undefined) others.push(known);
    else scrapes.set(scrape, known);
  }
  const ranked: Tried[] = [];
  while (scrapes.size > 0) {
    const [first] = onePerInstance([...scrapes.keys()]);
    ranked.push(scrapes.get(first!)!);
    scrapes.delete(first!);
  }
  const taken: { readonly from: number; readonly to: number }[] = [];
  const found: KnownAttempt[] = [];
  for (const known of [...ranked, ...others]) {
    const { attempts, target } = known;
    for (const attempt of attempts) {
      if (taken.every(({ from, to }) => attempt.at < from || attempt.at > to)) found.push({ known, attempt });
    }
    const good = attempts.filter(succeeded);
    if (good.length === 0) continue;
    // As long as it is fresh, it is served.
    const freshFor = target.state === "gone" ? 0 : cache.options.staleAfter * 1000;
    taken.push({ from: good[0]!.at, to: good.at(-1)!.at + freshFor });
  }
  return found;
}

function lastScrapeOf(cache: Cache, { origin, target, attempts }: Tried): Scrape | undefined {
  const feed = cache.feed(origin);
  for (let index = attempts.length - 1; index >= 0; index--) {
    const scrape = feed?.scrapes.scrapeOf(target, attempts[index]!);
    if (scrape !== undefined) return scrape;
  }
  return undefined;
}

function federated(
  cache: Cache,
  { known, attempt }: KnownAttempt,
): Omit<FederatedAttempt, "isReported" | "isHistory"> {
  const { origin, target } = known;
  const up = succeeded(attempt);
  return {
    origin,
    id: target.id,
    names: target.names,
    job: target.job,
    replica: target.replica,
    scrapedAt: attempt.scrapedAt,
    measuredAt: attempt.at,
    duration: attempt.duration,
    up,
    samples: up ? attempt.outcome.samples : 0,
    scrape: cache.feed(origin)?.scrapes.scrapeOf(target, attempt),
  };
}
