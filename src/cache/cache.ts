import type { Logger } from "../logging.js";
import type { MemoryBudget } from "../memory-budget.js";
import type { Clock } from "../model/clock.js";
import { type SwarmDocument, withScrapesUpTo } from "../model/publication.js";
import { clockOffsetOf, inOrder, type Scrape } from "../model/scrape.js";
import { evict } from "./eviction.js";
import { type ExpiredTarget, ExpiredTargets } from "./expired-targets.js";
import { Feed, type FeedListener } from "./feed.js";
import { type HeldPublication, memoryOf } from "./held-publication.js";
import { type KnownTarget, NameIndex } from "./name-index.js";

export interface CacheOptions {
  readonly clock: Clock;
  /** STALE_AFTER: seconds after which a scrape is not served any more. */
  readonly staleAfter: number;
  /** HISTORY: seconds for which batches and their scrapes are kept. */
  readonly history: number;
  /** SCRAPE_MAX_BYTES: larger scrapes of other nodes are not kept. Default: any size. */
  readonly scrapeMaxBytes?: number;
  /** Shared with all other parts that hold data in memory. */
  readonly budget: MemoryBudget;
  readonly logger: Logger;
}

/** Another part that is notified of changes in the cache. */
export interface CacheListener {
  /** A publication is complete: its scrapes have arrived, or were given up. */
  onComplete(held: HeldPublication): void;
  /** An origin was forgotten. */
  onForgotten?(origin: string): void;
}

/** Milliseconds without an eviction after which the memory budget is no longer reported as exceeded. */
const evictionEndMs = 60_000;
/** More scrapes of one name are not sorted: they are too many for one response. */
const maxSorted = 10_000;

/**
 * Everything that this node has of all origins, including itself. Scanning, replication and serving meet here.
 * Decides freshness, names and conflicts.
 */
export class Cache {
  /** The targets that have not ended. */
  readonly index = new NameIndex();
  readonly options: CacheOptions;
  readonly #feeds = new Map<string, Feed>();
  readonly #expired: ExpiredTargets;
  readonly #listeners = new Set<CacheListener>();
  /** Bytes that this process scraped and checked itself. */
  readonly #scraped = new WeakSet<Buffer>();
  #swarm: HeldPublication<SwarmDocument> | undefined;
  #own: string | undefined;
  #lastEviction: number | undefined;

  constructor(options: CacheOptions) {
    this.options = options;
    this.#expired = new ExpiredTargets(options.clock);
  }

  /** The name of this node as an origin, once it has published. */
  get own(): string | undefined {
    return this.#own;
  }

  /** The youngest swarm document of all managers. */
  get swarm(): SwarmDocument | undefined {
    return this.#swarm?.publication;
  }

  addListener(listener: CacheListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  feed(origin: string): Feed | undefined {
    return this.#feeds.get(origin);
  }

  feeds(): Iterable<Feed> {
    return this.#feeds.values();
  }

  /** The feed that this node publishes. */
  ownFeed(origin: string): Feed {
    this.#own = origin;
    return this.#feedOf(origin);
  }

  /**
   * Adds a publication of any origin. Batches older than HISTORY are not kept, so a forgotten origin returns only when
   * it publishes again.
   *
   * @returns the numbers of the missing scrapes.
   */
  add(given: HeldPublication): number[] {
    const { scrapeMaxBytes = Number.POSITIVE_INFINITY } = this.options;
    const held = { ...given, publication: withScrapesUpTo(given.publication, scrapeMaxBytes) };
    const { origin, number, kind } = held.publication;
    const isOld = held.at < this.#historyStart;
    if (isOld && kind === "swarm") this.#takeSwarm(held as HeldPublication<SwarmDocument>);
    if (isOld && kind === "batch") {
      this.#feeds.get(origin)?.skip(number);
      return [];
    }
    if (!this.options.budget.take(memoryOf(held), origin)) {
      this.#reportEviction(origin);
      // A document of another node is requested again later: it may not be published again for a long time.
      if (kind === "batch" || origin === this.#own) this.#feeds.get(origin)?.skip(number);
      return [];
    }
    const missing = this.#feedOf(origin).add(held);
    if (kind === "swarm") this.#takeSwarm(held as HeldPublication<SwarmDocument>);
    return missing;
  }

  /**
   * Adds the bytes of a scrape.
   *
   * @param gzip the caller has already taken its length from the memory budget; the cache gives it back.
   * @returns false if no batch names it, or the cache already has it.
   */
  addScrape(origin: string, number: number, gzip: Buffer): boolean {
    const isNew = this.#feeds.get(origin)?.addScrape(number, gzip) ?? false;
    if (!isNew) this.options.budget.give(gzip.length);
    return isNew;
  }

  /** Notes that this process scraped and checked these bytes itself. */
  noteScraped(gzip: Buffer): void {
    this.#scraped.add(gzip);
  }

  /** Whether this process scraped and checked these bytes itself. */
  wasScraped({ gzip }: Pick<Scrape, "gzip">): boolean {
    return this.#scraped.has(gzip);
  }

  /** Removes batches older than HISTORY, and origins that have not published for twice as long. */
  expire(): void {
    const { clock, history, logger } = this.options;
    for (const feed of [...this.#feeds.values()]) {
      feed.remove(feed.batchesBefore(this.#historyStart));
      const isSilent = feed.newestAt < clock.monotonic() - 2 * history * 1000;
      if (isSilent && feed.origin !== this.#own) this.#forget(feed);
    }
    if (this.#lastEviction !== undefined && this.#lastEviction < clock.monotonic() - evictionEndMs) {
      this.#lastEviction = undefined;
      logger.info("memory budget no longer exceeded");
    }
  }

  /** Forgets all other origins, so that their publications are requested again. */
  forgetOthers(): void {
    for (const feed of [...this.#feeds.values()]) if (feed.origin !== this.#own) this.#forget(feed);
  }

  /** The newest documents of each origin, and the current swarm document, whose origin may be forgotten. */
  documents(): HeldPublication[] {
    const all = [...this.#feeds.values()].flatMap((feed) => [feed.targetsDocument, feed.swarmDocument]);
    if (!all.some((held) => held?.bytes === this.#swarm?.bytes)) all.push(this.#swarm);
    return all.filter((held) => held !== undefined);
  }

  /** Whether a scrape has the bytes that are served for its target; its times may be older. */
  holds({ origin, id, gzip }: Scrape): boolean {
    return this.#feeds.get(origin)?.scrapes.newestOf(id)?.gzip === gzip;
  }

  /** Whether the bytes of a scrape are in memory, whether they are served or older. */
  has({ origin, number, gzip }: Scrape): boolean {
    return this.#feeds.get(origin)?.scrapes.gzipOf(number) === gzip;
  }

  /** The fresh scrapes under a name, or those of one replica: one per instance, in a stable order up to 10,000. */
  named(name: string, replica?: string): Scrape[] {
    const scrapes = [...this.index.fresh(name, this.#freshStart, replica)].flatMap((scrape) => scrape ?? []);
    return scrapes.length > maxSorted ? scrapes : inOrder(scrapes);
  }

  /** All fresh scrapes, one per instance, in a stable order. */
  fresh(): Scrape[] {
    const scrapes: Scrape[] = [];
    for (const [name, all] of this.services())
      for (const one of all) if (one?.job === name) scrapes.push(one);
    return inOrder(scrapes);
  }

  /** The fresh scrapes under each name, full names included, one per instance; `undefined` for a replica without any. */
  *services(): Generator<readonly [name: string, scrapes: Iterable<Scrape | undefined>]> {
    for (const name of this.index.names()) yield [name, this.index.fresh(name, this.#freshStart)] as const;
  }

  isFresh({ measuredAt }: Pick<Scrape, "measuredAt">): boolean {
    return measuredAt >= this.#freshStart;
  }

  isOwn({ origin }: { readonly origin: string }): boolean {
    return origin === this.#own;
  }

  /** The youngest scrape of every target of every origin, fresh or not. */
  all(): Scrape[] {
    return [...this.targets()].flatMap(({ scrape }) => scrape ?? []);
  }

  /** All targets of all origins, served or not. */
  *targets(): Generator<KnownTarget> {
    for (const { scrapes } of this.#feeds.values()) yield* scrapes.listed();
  }

  /** How far the clock of each other node with a scrape is ahead of this node's, in seconds, at its latest scrape. */
  clockOffsets(): Map<string, number> {
    const offsets = new Map<string, number>();
    for (const { origin, scrapes } of this.#feeds.values()) {
      if (scrapes.latest === undefined || origin === this.#own) continue;
      offsets.set(origin, clockOffsetOf(scrapes.latest, this.options.clock));
    }
    return offsets;
  }

  /** The targets of origins that no longer publish. */
  expiredTargets(name: string): ExpiredTarget[] {
    return this.#expired.named(name);
  }

  /** The number of scrapes to serve, fresh or not, and the gzip bytes of all scrapes in the cache. */
  get totals(): { readonly scrapes: number; readonly gzipBytes: number } {
    let [count, gzipBytes] = [0, 0];
    for (const { scrapes } of this.#feeds.values()) {
      count += scrapes.served;
      gzipBytes += scrapes.bytes;
    }
    return { scrapes: count, gzipBytes };
  }

  /** Frees memory for data of an origin: an evictor of the memory budget. For what is evicted, see `eviction.ts`. */
  evict(bytesNeeded: number, origin = this.#own): number {
    const { budget } = this.options;
    const enough = budget.used - bytesNeeded;
    const [own, others] = [this.feed(this.#own ?? ""), [...this.#feeds.values()]];
    return evict({
      feeds: own === undefined ? others : [own, ...others.filter((feed) => feed !== own)],
      origin,
      isEnough: (evicted) => budget.used - evicted <= enough,
      forget: (feed) => this.#forget(feed),
      onEvicted: (feed) => this.#reportEviction(feed.origin),
    });
  }

  get #historyStart(): number {
    return this.options.clock.monotonic() - this.options.history * 1000;
  }

  get #freshStart(): number {
    return this.options.clock.monotonic() - this.options.staleAfter * 1000;
  }

  #feedOf(origin: string): Feed {
    const known = this.#feeds.get(origin);
    if (known !== undefined) return known;
    const listener: FeedListener = {
      onListed: (known) => {
        this.index.add(known);
        this.#expired.remove(known.target);
      },
      onRemoved: (known) => this.index.delete(known),
      onFreed: (bytes) => this.options.budget.give(bytes),
      onComplete: (held) => {
        for (const other of this.#listeners) other.onComplete(held);
      },
    };
    const feed = new Feed(origin, listener);
    this.#feeds.set(origin, feed);
    return feed;
  }

  #takeSwarm(held: HeldPublication<SwarmDocument>): void {
    if (this.#swarm === undefined || held.at >= this.#swarm.at) this.#swarm = held;
  }

  #forget(feed: Feed): void {
    const { origin, newestAt, targets } = feed;
    this.#feeds.delete(origin);
    feed.clear();
    for (const { names, job, replica, state } of targets) {
      if (state === "gone" || this.index.has(job, replica)) continue;
      this.#expired.add({ names, job, replica, origin, lastPublished: newestAt });
    }
    for (const listener of this.#listeners) listener.onForgotten?.(origin);
  }

  #reportEviction(origin: string): void {
    const isFirst = this.#lastEviction === undefined;
    this.#lastEviction = this.options.clock.monotonic();
    if (!isFirst) return;
    const { logger, budget } = this.options;
    const message = "memory budget exceeded: evicting the oldest scrapes; raise MEMORY_MAX_BYTES";
    logger.error(message, { maxBytes: budget.maxBytes, origin });
  }
}
