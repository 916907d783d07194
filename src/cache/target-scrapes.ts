import { targetKeyOf } from "../archive/target-key.js";
import {
  type Attempt,
  type Batch,
  type PublishedTarget,
  scrapesNamedBy,
  succeeded,
} from "../model/publication.js";
import type { Scrape } from "../model/scrape.js";
import { EvictionOrder } from "./eviction-order.js";
import { haveSameNames, type KnownTarget, mayBeServed } from "./name-index.js";

/** An attempt with its times on this node's clocks. */
export interface TimedAttempt extends Pick<Attempt, "target" | "duration" | "outcome"> {
  /** Start on this process's monotonic clock, in milliseconds. */
  readonly at: number;
  /** Start by the origin's wall clock, in milliseconds since the epoch. */
  readonly scrapedAt: number;
  /** Number of the batch that published it; undefined before. */
  readonly batch: number | undefined;
}

interface TargetRecord {
  readonly key: number;
  readonly origin: string;
  /** Undefined if the target is not listed. */
  target: PublishedTarget | undefined;
  /** In the order of their times. */
  attempts: TimedAttempt[];
  scrape: Scrape | undefined;
}

type ListedRecord = TargetRecord & KnownTarget;

interface StoredScrape {
  gzip: Buffer | undefined;
  /** The number of attempts that name it. */
  named: number;
  readonly targets: Set<TargetRecord>;
}

export interface TargetScrapesListener {
  /** A target that has not ended is listed, or has new names. */
  onListed(known: KnownTarget): void;
  /** Such a target ends, is no longer listed, or gets new names. Called before that. */
  onRemoved(known: KnownTarget): void;
  /** Memory was freed, except by `evict`. */
  onFreed(bytes: number): void;
}

/** The targets of one origin with their attempts, and the scrapes that these name. */
export class TargetScrapes {
  readonly #origin: string;
  readonly #listener: TargetScrapesListener;
  readonly #targets = new Map<number, TargetRecord>();
  /** The listed targets, so that their ids need not be hashed. */
  readonly #listed = new Map<string, ListedRecord>();
  /** In the order in which attempts first named them: oldest first. */
  readonly #scrapes = new Map<number, StoredScrape>();
  readonly #order = new EvictionOrder();
  #bytes = 0;
  #served = 0;
  #latest: Pick<Scrape, "scrapedAt" | "measuredAt"> | undefined;

  constructor(origin: string, listener: TargetScrapesListener) {
    this.#origin = origin;
    this.#listener = listener;
  }

  /** Gzip bytes of all scrapes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many targets have a scrape to serve, fresh or not. */
  get served(): number {
    return this.#served;
  }

  /** The times of the latest scrape; undefined if no target has one. */
  get latest(): Pick<Scrape, "scrapedAt" | "measuredAt"> | undefined {
    return this.#served === 0 ? undefined : this.#latest;
  }

  /** The numbers of the scrapes whose bytes are in memory. */
  get numbers(): number[] {
    return [...this.#scrapes].flatMap(([number, { gzip }]) => (gzip === undefined ? [] : [number]));
  }

  /** The gzip bytes of a scrape. */
  gzipOf(number: number): Buffer | undefined {
    return this.#scrapes.get(number)?.gzip;
  }

  /** The numbers of the scrapes that a batch names and whose bytes are not in memory. */
  missingOf(batch: Batch): number[] {
    return scrapesNamedBy(batch).filter((number) => this.gzipOf(number) === undefined);
  }

  /** The identity of the target whose attempts name a scrape. */
  identityOf(number: number): Pick<PublishedTarget, "job" | "replica"> | undefined {
    for (const { target } of this.#scrapes.get(number)?.targets ?? [])
      if (target !== undefined) return target;
    return undefined;
  }

  /** The listed targets, including ended ones. */
  listed(): Iterable<KnownTarget> {
    return this.#listed.values();
  }

  newestOf(id: string): Scrape | undefined {
    return this.#listed.get(id)?.scrape;
  }

  /** The attempts for a target, oldest first. */
  attemptsOf(id: string): readonly TimedAttempt[] {
    return (this.#listed.get(id) ?? this.#targets.get(targetKeyOf(id)))?.attempts ?? [];
  }

  /** Every scrape of the listed targets, including ended ones: each once, with the times of its last attempt. */
  *all(): Generator<Scrape> {
    for (const { target, attempts } of this.#listed.values()) {
      const seen = new Set<number>();
      for (const attempt of attempts.toReversed()) {
        const scrape = this.scrapeOf(target, attempt);
        if (scrape === undefined || seen.has(scrape.number)) continue;
        seen.add(scrape.number);
        yield scrape;
      }
    }
  }

  /** Replaces the list of targets. */
  list(targets: readonly PublishedTarget[]): void {
    const listed = new Set<KnownTarget>();
    for (const target of targets) listed.add(this.listOne(target));
    for (const record of this.#listed.values()) {
      if (listed.has(record)) continue;
      this.#setTarget(record, undefined);
      this.#deleteUnused(record);
    }
  }

  /** Replaces one target, or adds it to the list. */
  listOne(target: PublishedTarget): KnownTarget {
    const record = this.#listed.get(target.id) ?? this.#recordOf(targetKeyOf(target.id));
    this.#setTarget(record, target);
    return record as ListedRecord;
  }

  /** Adds an attempt for a target, listed or not. */
  add(attempt: TimedAttempt): void {
    const record = this.#recordOf(attempt.target);
    let index = record.attempts.length;
    while (index > 0 && record.attempts[index - 1]!.at > attempt.at) index--;
    record.attempts.splice(index, 0, attempt);
    if (succeeded(attempt)) {
      const { number } = attempt.outcome;
      const stored = this.#scrapes.get(number) ?? { gzip: undefined, named: 0, targets: new Set() };
      this.#scrapes.set(number, stored);
      stored.named++;
      stored.targets.add(record);
      if (attempt.at >= (this.#latest?.measuredAt ?? attempt.at))
        this.#latest = { scrapedAt: attempt.scrapedAt, measuredAt: attempt.at };
    }
    this.#refresh(record);
  }

  /** Adds the bytes of a scrape. @returns false if no attempt names it, or they are already stored. */
  store(number: number, gzip: Buffer): boolean {
    const stored = this.#scrapes.get(number);
    if (stored === undefined || stored.gzip !== undefined) return false;
    stored.gzip = gzip;
    this.#bytes += gzip.length;
    this.#order.add(number, gzip.length);
    for (const record of stored.targets) this.#refresh(record);
    return true;
  }

  /** The bytes of scrapes that no target is served with. */
  get olderBytes(): number {
    return this.#order.olderBytes;
  }

  /**
   * Removes the bytes of the oldest scrape that no target is served with, or, with `served`, of one that is.
   *
   * @returns their number; 0 if there is none.
   */
  evict(served: boolean): number {
    const number = served ? this.#order.oldestServed : this.#order.oldest;
    const stored = number === undefined ? undefined : this.#scrapes.get(number);
    if (number === undefined || stored?.gzip === undefined) return 0;
    const { length } = stored.gzip;
    stored.gzip = undefined;
    this.#bytes -= length;
    this.#order.delete(number);
    for (const record of stored.targets) this.#refresh(record);
    return length;
  }

  /**
   * Removes attempts, and scrapes that no other attempt names.
   *
   * @param batch the number of their batch; undefined for attempts that are not published.
   * @param targets the keys of their targets; default: all.
   */
  remove(batch: number | undefined, targets: Iterable<number> = [...this.#targets.keys()]): void {
    for (const key of targets) {
      const record = this.#targets.get(key);
      if (record === undefined) continue;
      const removed = record.attempts.filter((attempt) => attempt.batch === batch);
      if (removed.length === 0) continue;
      record.attempts = record.attempts.filter((attempt) => attempt.batch !== batch);
      for (const attempt of removed) if (succeeded(attempt)) this.#release(attempt.outcome.number);
      this.#refresh(record);
      this.#deleteUnused(record);
    }
  }

  #deleteUnused({ key, target, attempts }: TargetRecord): void {
    if (attempts.length === 0 && target === undefined) this.#targets.delete(key);
  }

  #release(number: number): void {
    const stored = this.#scrapes.get(number);
    if (stored === undefined || --stored.named > 0) return;
    this.#scrapes.delete(number);
    this.#order.delete(number);
    this.#free(stored.gzip?.length ?? 0);
  }

  #free(bytes: number): void {
    this.#bytes -= bytes;
    if (bytes > 0) this.#listener.onFreed(bytes);
  }

  #setTarget(record: TargetRecord, target: PublishedTarget | undefined): void {
    const before = record.target;
    const [wasServed, isServed] = [mayBeServed(before), mayBeServed(target)];
    const isSame = wasServed && isServed && haveSameNames(before!, target!);
    if (wasServed && !isSame) this.#listener.onRemoved(record as ListedRecord);
    if (before !== undefined && before.id !== target?.id) this.#listed.delete(before.id);
    record.target = target;
    this.#refresh(record);
    if (target !== undefined) this.#listed.set(target.id, record as ListedRecord);
    if (isServed && !isSame) this.#listener.onListed(record as ListedRecord);
  }

  /** Updates the scrape to serve of a target. */
  #refresh(record: TargetRecord): void {
    const { target, attempts, scrape: before } = record;
    record.scrape = undefined;
    if (mayBeServed(target)) {
      for (let index = attempts.length - 1; index >= 0 && record.scrape === undefined; index--) {
        record.scrape = this.scrapeOf(target, attempts[index]!);
      }
    }
    this.#order.replace(before, record.scrape);
    this.#served += Number(record.scrape !== undefined) - Number(before !== undefined);
  }

  /** The scrape of an attempt; undefined if it failed, or if the bytes are not in memory. */
  scrapeOf(target: PublishedTarget | undefined, attempt: TimedAttempt): Scrape | undefined {
    const { outcome, at, scrapedAt, duration } = attempt;
    if (target === undefined || !("number" in outcome)) return undefined;
    const gzip = this.gzipOf(outcome.number);
    if (gzip === undefined) return undefined;
    const { id, names, job, replica, scope, stack, startedAt, firstSeen, url = "" } = target;
    return {
      id,
      origin: this.#origin,
      names,
      job,
      replica,
      scope,
      ...(stack === undefined ? {} : { stack }),
      number: outcome.number,
      gzip,
      contentType: outcome.contentType,
      size: outcome.size,
      samples: outcome.samples,
      url,
      scrapedAt,
      duration,
      startedAt,
      ...(firstSeen === undefined ? {} : { firstSeen }),
      measuredAt: at,
    };
  }

  #recordOf(key: number): TargetRecord {
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    const record = { key, origin: this.#origin, target: undefined, attempts: [], scrape: undefined };
    this.#targets.set(key, record);
    return record;
  }
}
