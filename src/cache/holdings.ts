import type { Clock } from "../model/clock.js";
import { ageOf, type Scrape, unpublished } from "../model/scrape.js";
import { compareVersions, noVersion, type Version } from "../model/version.js";
import { type EntryIndex, keyOf } from "./entry-index.js";
import type { EntryStore } from "./entry-store.js";

/** What this node publishes of its own. */
export interface Publishing {
  /** The name of this node as an origin. */
  readonly origin: string;
  /** Higher than any that this node has had before, as far as it knows. */
  readonly epoch: number;
  /** Whether an entry is for others, too. */
  readonly travels: (entry: Scrape) => boolean;
  /** `host:port` under which this node's HTTP is reached, for others to tell. */
  readonly advertise?: string;
}

/** What is held of one origin. */
export interface Holding extends Version {
  readonly origin: string;
  readonly size: number;
  /** Tells which entries they are: see digestOf. */
  readonly digest: number;
  /** The moment on the monotonic clock when the origin published this, whichever way it came. */
  readonly heardAt: number;
  readonly advertise?: string;
}

interface OriginRecord {
  version: Version;
  heardAt: number;
  advertise?: string | undefined;
}

export interface HoldingsOptions {
  readonly index: EntryIndex;
  readonly clock: Clock;
  readonly staleAfter: number;
  readonly store?: EntryStore | undefined;
  /** Told each entry of another origin that its origin does not list any more. */
  readonly onGone?: (entry: Scrape) => void;
}

/**
 * The history of each origin, as far as this node has it: this node's own, which it writes, and those of the
 * others, which it takes in. Replication reads and fills it.
 */
export class Holdings {
  readonly #options: HoldingsOptions;
  readonly #records = new Map<string, OriginRecord>();
  #publishing: Publishing | undefined;
  #epoch = 0;
  /** Own entries that were scraped again and said the same: they wait for the next `confirm`. */
  readonly #unchanged = new Map<string, Scrape>();

  constructor(options: HoldingsOptions) {
    this.#options = options;
  }

  /** The name of this node as an origin, once it publishes. */
  get own(): string | undefined {
    return this.#publishing?.origin;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Begins to publish: what is there of this node's own, and from now on all that comes. */
  publish(publishing: Publishing): void {
    const { index } = this.#options;
    this.#publishing = publishing;
    this.#epoch = publishing.epoch;
    this.#records.set(publishing.origin, {
      version: { epoch: publishing.epoch, sequence: 0 },
      heardAt: this.#options.clock.monotonic(),
      advertise: publishing.advertise,
    });
    for (const entry of [...index.ofOrigin(publishing.origin)]) {
      index.add(this.#stamp({ ...entry, ...unpublished }));
    }
  }

  /** Puts all own entries into a higher epoch, where another node holds one that is not below. */
  raiseEpoch(epoch: number): void {
    const record = this.#ownRecord();
    if (record === undefined || epoch <= this.#epoch) return;
    this.#epoch = epoch;
    record.version = { epoch, sequence: record.version.sequence };
    for (const entry of [...this.#options.index.ofOrigin(this.own!)]) {
      if (entry.sequence > 0) this.#replace({ ...entry, epoch });
    }
  }

  /**
   * An own entry as it is to be kept: published, where it travels. Undefined where it says what its predecessor
   * said: then only the time of its scrape is new, and `confirm` tells that for all such entries at once. Where the
   * predecessor is stale it cannot wait for that, as it would not be served until then.
   */
  stampOwn(entry: Scrape, held: Scrape | undefined): Scrape | undefined {
    const publishing = this.#publishing;
    if (publishing === undefined || entry.origin !== publishing.origin) return entry;
    if (!publishing.travels(entry)) return entry;
    if (held !== undefined && held.sequence > 0 && !this.isStale(held) && saysTheSame(entry, held)) {
      this.#unchanged.set(entry.id, entry);
      return undefined;
    }
    this.#unchanged.delete(entry.id);
    return this.#stamp(entry);
  }

  /** Tells that an own entry is gone. */
  ownGone(entry: Scrape): void {
    this.#unchanged.delete(entry.id);
    if (entry.sequence > 0 && entry.origin === this.own) this.#next();
  }

  /**
   * Renews the times of all own entries that were scraped again and said the same. They get one common time, that
   * of the earliest of these scrapes, so that telling it takes no more for a thousand entries than for one.
   */
  confirm(): void {
    const scraped = [...this.#unchanged.values()];
    this.#unchanged.clear();
    if (scraped.length === 0 || this.own === undefined) return;
    const { scrapedAt, measuredAt } = scraped.reduce((one, other) =>
      other.measuredAt < one.measuredAt ? other : one,
    );
    const renewed = this.#next();
    for (const { id, origin } of scraped) {
      const held = this.#options.index.get(keyOf({ origin, id }));
      if (held === undefined) continue;
      // The common time may lie before that of an entry that changed between two cycles: times never go back. That is
      // told by the monotonic clock, as the wall clock may have been set back.
      if (measuredAt > held.measuredAt) this.#replace({ ...held, scrapedAt, measuredAt, renewed });
    }
  }

  /** What is held, one an origin; those that have been silent and empty for long are left out. */
  list(): Holding[] {
    const holdings: Holding[] = [];
    for (const origin of [...this.#records.keys()]) {
      const holding = this.get(origin)!;
      if (holding.digest !== 0 || !this.isSilent(holding.heardAt)) holdings.push(holding);
      else if (origin !== this.own) this.#records.delete(origin);
    }
    return holdings;
  }

  /** How many origins are known; `list` forgets those that it leaves out. */
  get originsKnown(): number {
    return this.#records.size;
  }

  get(origin: string): Holding | undefined {
    const record = this.#records.get(origin);
    if (record === undefined) return undefined;
    const { advertise } = record;
    return {
      origin,
      ...record.version,
      ...this.#options.index.shelf(origin),
      heardAt: record.heardAt,
      ...(advertise === undefined ? {} : { advertise }),
    };
  }

  versionOf(origin: string): Version {
    return this.#records.get(origin)?.version ?? noVersion;
  }

  /** Whether an origin is so silent that it is not worth hearing of. */
  isSilent(heardAt: number): boolean {
    return (this.#options.clock.monotonic() - heardAt) / 1000 > 2 * this.#options.staleAfter;
  }

  /** Whether an entry is too old to be served. */
  isStale(entry: Scrape): boolean {
    const { clock, staleAfter } = this.#options;
    return ageOf(entry, clock.monotonic()) > staleAfter;
  }

  /** The published entries of an origin in the order of their sequences. */
  entriesOf(origin: string): Scrape[] {
    const entries = [...this.#options.index.ofOrigin(origin)].filter((entry) => entry.sequence > 0);
    return entries.sort((a, b) => a.epoch - b.epoch || a.sequence - b.sequence);
  }

  /**
   * Takes in an entry of another origin, unless it is stale already, or there as new or newer.
   *
   * @returns `stale` where this node is still without it.
   */
  take(entry: Scrape): "taken" | "known" | "stale" {
    const { index, store } = this.#options;
    if (entry.origin === this.own) return "known";
    const held = index.get(keyOf(entry));
    if (held !== undefined) {
      const order = compareVersions(held, entry);
      if (order > 0 || (order === 0 && held.measuredAt >= entry.measuredAt)) return "known";
    }
    if (this.isStale(entry)) return "stale";
    index.add(entry);
    store?.save(entry);
    return "taken";
  }

  /** Sets how far an origin is known; never back. `heardAt` and `advertise` are its own word. */
  reach(origin: string, version: Version, heardAt: number, advertise?: string): void {
    if (origin === this.own) return;
    const record = this.#records.get(origin);
    if (record === undefined) this.#records.set(origin, { version, heardAt, advertise });
    else if (compareVersions(version, record.version) >= 0)
      Object.assign(record, { version, heardAt, advertise });
  }

  /**
   * Tells that an entry of another origin has become stale here, or was when it came. Its origin may still have it,
   * and have renewed it while this node, or who sent it, was cut off: the history is known no further than before it,
   * so that it is sent again.
   */
  lost({ origin, epoch, sequence }: Scrape): void {
    const record = this.#records.get(origin);
    if (record === undefined || origin === this.own) return;
    const before = epoch === record.version.epoch ? Math.max(0, sequence - 1) : 0;
    record.version = { epoch: record.version.epoch, sequence: Math.min(record.version.sequence, before) };
  }

  /** Gives newer times to an entry of another origin, whose exposition is as it was. */
  renew(entry: Scrape, times: Pick<Scrape, "scrapedAt" | "measuredAt" | "renewed">): void {
    if (entry.origin === this.own || times.measuredAt <= entry.measuredAt) return;
    this.#replace({ ...entry, ...times });
  }

  /** Drops an entry that its origin does not list any more. */
  drop(entry: Scrape): void {
    if (entry.origin === this.own) return;
    const held = this.#options.index.delete(entry);
    if (held === undefined) return;
    this.#options.store?.remove(entry);
    this.#options.onGone?.(held);
  }

  #replace(entry: Scrape): void {
    this.#options.index.add(entry);
    this.#options.store?.save(entry);
  }

  #stamp(entry: Scrape): Scrape {
    if (!this.#publishing?.travels(entry)) return entry;
    const sequence = this.#next();
    return { ...entry, epoch: this.#epoch, sequence, renewed: sequence };
  }

  /** The next number of the own history. */
  #next(): number {
    const record = this.#ownRecord();
    if (record === undefined) return 0;
    const sequence = record.version.sequence + 1;
    record.version = { epoch: this.#epoch, sequence };
    record.heardAt = this.#options.clock.monotonic();
    return sequence;
  }

  #ownRecord(): OriginRecord | undefined {
    return this.own === undefined ? undefined : this.#records.get(this.own);
  }
}

/** Whether two scrapes of a target differ in nothing but their times. */
function saysTheSame(entry: Scrape, held: Scrape): boolean {
  return (
    entry.gzip.equals(held.gzip) &&
    entry.contentType === held.contentType &&
    entry.url === held.url &&
    entry.job === held.job &&
    entry.replica === held.replica &&
    entry.scope === held.scope &&
    entry.stack === held.stack &&
    entry.startedAt === held.startedAt &&
    entry.names.join("\n") === held.names.join("\n")
  );
}
