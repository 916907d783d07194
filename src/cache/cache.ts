import type { Clock } from "../model/clock.js";
import { onePerInstance, type Scrape } from "../model/scrape.js";
import { Departed, type LastKnown } from "./departed.js";
import { EntryIndex, keyOf } from "./entry-index.js";
import type { EntryStore } from "./entry-store.js";
import { Holdings } from "./holdings.js";

export type { EntryStore } from "./entry-store.js";

export interface CacheOptions {
  readonly clock: Clock;
  /** Seconds after which an entry is not served any more. */
  readonly staleAfter: number;
  readonly store?: EntryStore;
}

/**
 * The entries that this node holds: the place where scanning, replicating and serving meet. Scanning puts this
 * node's own, replication those of others through `holdings`; serving sees no difference.
 */
export class Cache {
  /** What is held of each origin, for replication. */
  readonly holdings: Holdings;
  readonly #index = new EntryIndex();
  /** The keys of this node's own entries, by the id of the target. */
  readonly #ownKeys = new Map<string, string>();
  /** The bytes that this process has scraped. */
  readonly #scraped = new WeakSet<Scrape["gzip"]>();
  readonly #store: EntryStore | undefined;
  readonly #departed: Departed;

  constructor(options: CacheOptions) {
    this.#store = options.store;
    this.#departed = new Departed(options.clock);
    this.holdings = new Holdings({
      ...options,
      index: this.#index,
      onGone: (entry) => this.#noteGone(entry),
    });
  }

  /** Puts an entry of this node's own in the place of its predecessor. */
  put(entry: Scrape): void {
    const held = this.get(entry.id);
    // Under another name of the node, from before it was known.
    if (held !== undefined && held.origin !== entry.origin) this.remove(entry.id);
    this.#ownKeys.set(entry.id, keyOf(entry));
    this.#scraped.add(entry.gzip);
    const kept = this.holdings.stampOwn(entry, held);
    if (kept === undefined) return;
    this.#index.add(kept);
    this.#store?.save(kept);
  }

  /**
   * Takes in what was read back from disk: stale ones stay out, and what was put since is newer. What this node
   * has scraped itself counts as its own again, to be published anew.
   *
   * @param origin the name of this node; unless told, all are its own.
   */
  restore(entries: Iterable<Scrape>, origin?: string): number {
    let count = 0;
    for (const entry of entries) {
      if (this.predecessorOf(entry) !== undefined) continue;
      if (!this.isFresh(entry)) {
        this.#store?.remove(entry);
        if (origin !== undefined && entry.origin !== origin) this.#departed.note(entry);
        continue;
      }
      this.#index.add(entry);
      if (origin === undefined || entry.origin === origin) this.#ownKeys.set(entry.id, keyOf(entry));
      count++;
    }
    return count;
  }

  /** Drops the entry of a target of this node that is gone. */
  remove(id: string): void {
    const entry = this.get(id);
    if (entry !== undefined) this.#drop(entry);
  }

  /** Drops what has become stale; call it now and then. Nothing stale is ever served, dropped or not. */
  dropStale(): void {
    // What was scraped again and said the same is not stale, it only waits to be told.
    this.holdings.confirm();
    for (const entry of this.#index.all()) if (!this.isFresh(entry)) this.#drop(entry);
  }

  /** This node's own entry of a target. */
  get(id: string): Scrape | undefined {
    const key = this.#ownKeys.get(id);
    return key === undefined ? undefined : this.#index.get(key);
  }

  /** Whether this process has scraped an entry itself: then it has been checked. */
  wasScraped(entry: Scrape): boolean {
    return this.#scraped.has(entry.gzip);
  }

  /** Whether the exposition of an entry is the one that is held; its times may have been renewed. */
  holds(entry: Scrape): boolean {
    return this.predecessorOf(entry)?.gzip === entry.gzip;
  }

  /** The entry of the same target that is held, whose place this one would take. */
  predecessorOf(entry: Pick<Scrape, "origin" | "id">): Scrape | undefined {
    return this.#index.get(keyOf(entry));
  }

  /** The fresh entries that answer to a name, one an instance, in a stable order. */
  named(name: string): Scrape[] {
    return onePerInstance([...this.#index.named(name)].filter((entry) => this.isFresh(entry)));
  }

  /**
   * The entries of other nodes that answered to a name and have become stale, dropped already or not. They are
   * remembered for an hour; those that their node, or the one that they moved to, has removed while they were fresh
   * are not.
   */
  lastKnown(name: string): LastKnown[] {
    const stale = [...this.#index.named(name)].filter((entry) => !this.isFresh(entry) && !this.isOwn(entry));
    return [...stale, ...this.#departed.named(name)];
  }

  /** All fresh entries, one an instance, in a stable order. */
  fresh(): Scrape[] {
    return onePerInstance(this.all().filter((entry) => this.isFresh(entry)));
  }

  /** Every name that an entry answers to, fresh or not. */
  names(): string[] {
    return this.#index.names();
  }

  /** All entries, fresh or not, of all origins. */
  all(): Scrape[] {
    return this.#index.all();
  }

  /** This node's own entries, fresh or not. */
  own(): Scrape[] {
    return [...this.#ownKeys.values()].flatMap((key) => this.#index.get(key) ?? []);
  }

  /** Those of other nodes, fresh or not. */
  others(): Scrape[] {
    return this.all().filter((entry) => !this.isOwn(entry));
  }

  /** Whether an entry is one of this node's own. */
  isOwn(entry: Scrape): boolean {
    return this.#ownKeys.get(entry.id) === keyOf(entry);
  }

  isFresh(entry: Scrape): boolean {
    return !this.holdings.isStale(entry);
  }

  /** How many entries there are, and their gzip bytes. */
  get totals(): { readonly entries: number; readonly gzipBytes: number } {
    return this.#index.totals;
  }

  #drop(entry: Scrape): void {
    this.#index.delete(entry);
    this.#store?.remove(entry);
    if (!this.isOwn(entry)) {
      this.holdings.lost(entry);
      this.#noteGone(entry);
      return;
    }
    this.#ownKeys.delete(entry.id);
    this.holdings.ownGone(entry);
    if (this.isFresh(entry)) this.#departed.forget(entry);
  }

  /** An entry of another node is gone: stale since nobody renewed it, or removed there. */
  #noteGone(entry: Scrape): void {
    if (this.isFresh(entry)) this.#departed.forget(entry);
    else this.#departed.note(entry);
  }
}
