import type { Clock } from "../model/clock.js";
import { ageOf, type Entry, onePerInstance } from "../model/entry.js";

/** Where entries are kept beyond the process's life. Neither call fails: a disk in trouble is told by its owner. */
export interface EntryStore {
  save(entry: Entry): void;
  remove(id: string): void;
}

export interface CacheOptions {
  readonly clock: Clock;
  /** Seconds after which an entry is not served any more. */
  readonly staleAfter: number;
  readonly store?: EntryStore;
}

/** The entries that this node holds: the place where scanning, replicating and serving meet. */
export class Cache {
  readonly #entries = new Map<string, Entry>();
  readonly #byName = new Map<string, Set<Entry>>();
  readonly #clock: Clock;
  readonly #staleAfter: number;
  readonly #store: EntryStore | undefined;
  #gzipBytes = 0;

  constructor(options: CacheOptions) {
    this.#clock = options.clock;
    this.#staleAfter = options.staleAfter;
    this.#store = options.store;
  }

  /** Puts an entry in the place of its predecessor. */
  put(entry: Entry): void {
    this.#forget(entry.id);
    this.#remember(entry);
    this.#store?.save(entry);
  }

  /** Takes in what was read back from disk: stale ones stay out, and what was put since is newer. */
  restore(entries: Iterable<Entry>): number {
    let count = 0;
    for (const entry of entries) {
      if (this.#entries.has(entry.id)) continue;
      if (this.isFresh(entry)) {
        this.#remember(entry);
        count++;
      } else {
        this.#store?.remove(entry.id);
      }
    }
    return count;
  }

  /** Drops the entry of a target that is gone. */
  remove(id: string): void {
    if (this.#forget(id)) this.#store?.remove(id);
  }

  /** Drops what has become stale; call it now and then. Nothing stale is ever served, dropped or not. */
  dropStale(): void {
    for (const entry of [...this.#entries.values()]) {
      if (!this.isFresh(entry)) this.remove(entry.id);
    }
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** The fresh entries that answer to a name, one an instance, in a stable order. */
  named(name: string): Entry[] {
    const entries = this.#byName.get(name);
    return entries === undefined ? [] : onePerInstance([...entries].filter((entry) => this.isFresh(entry)));
  }

  /** All fresh entries, one an instance, in a stable order. */
  fresh(): Entry[] {
    return onePerInstance(this.all().filter((entry) => this.isFresh(entry)));
  }

  /** Every name that an entry answers to, fresh or not. */
  names(): string[] {
    return [...this.#byName.keys()];
  }

  /** All entries, fresh or not. */
  all(): Entry[] {
    return [...this.#entries.values()];
  }

  isFresh(entry: Entry): boolean {
    return ageOf(entry, this.#clock.monotonic()) <= this.#staleAfter;
  }

  /** How many entries there are, and their gzip bytes. */
  get totals(): { readonly entries: number; readonly gzipBytes: number } {
    return { entries: this.#entries.size, gzipBytes: this.#gzipBytes };
  }

  #remember(entry: Entry): void {
    this.#entries.set(entry.id, entry);
    this.#gzipBytes += entry.gzip.length;
    for (const name of entry.names) {
      const named = this.#byName.get(name);
      if (named === undefined) this.#byName.set(name, new Set([entry]));
      else named.add(entry);
    }
  }

  #forget(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    this.#gzipBytes -= entry.gzip.length;
    for (const name of entry.names) {
      const named = this.#byName.get(name);
      named?.delete(entry);
      if (named?.size === 0) this.#byName.delete(name);
    }
    return true;
  }
}
