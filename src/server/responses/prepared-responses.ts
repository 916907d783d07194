import { promisify } from "node:util";
import { constants, gunzip, gzip } from "node:zlib";
import pLimit from "p-limit";
import { contentTypes, type Format } from "../../exposition/format.js";
import { merge, toText } from "../../exposition/merge.js";
import type { Source } from "../../exposition/source.js";
import type { Logger } from "../../logging.js";
import type { MemoryBudget } from "../../memory-budget.js";
import type { Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import { formatOf, type Omission, type ReadCache, ScrapeReader } from "./scrape-reader.js";
import { runInSlices, TimeSlices } from "./time-slices.js";

/** Responses that need more inflated bytes than this are not merged: each replica has its own path. */
const maxMergeBytes = 256 * 1024 * 1024;

/** Each merge takes up to three times the size of its scrapes. */
const maxConcurrentMerges = 2;
/** Responses made of one scrape. They have a limit of their own, so as not to wait for merges. */
const maxConcurrentSingles = 4;

const inflateAsync = promisify(gunzip);
const compressAsync = promisify(gzip);

/** Whether scrapes are too large to be merged into one response. */
export function tooLargeToMerge(scrapes: readonly Scrape[]): boolean {
  return scrapes.reduce((sum, { size }) => sum + size, 0) > maxMergeBytes;
}

/** A response made of scrapes. */
export class PreparedResponse {
  /** Runs when `bytes` has changed. */
  onResize: () => void = () => undefined;
  #plain: Buffer | undefined;
  #gzip: Promise<Buffer> | undefined;
  #inflating: Promise<Buffer> | undefined;
  readonly #plainLength: number;
  /** How much memory the body takes, in bytes. */
  bytes: number;

  constructor(
    readonly contentType: string,
    plain: Buffer,
    /** How many of the scrapes could be read. With 0 there is nothing to send. */
    readonly sources: number,
    readonly omissions: readonly Omission[] = [],
  ) {
    this.#plain = plain;
    this.#plainLength = plain.length;
    this.bytes = plain.length;
  }

  /** The body. The plain one is kept until the first client accepts gzip, then only the compressed one. */
  body(gzipped: boolean): Promise<Buffer> {
    if (gzipped) {
      this.#gzip ??= this.#compress();
      return this.#gzip;
    }
    if (this.#plain !== undefined) return Promise.resolve(this.#plain);
    this.#inflating ??= this.#inflate().finally(() => {
      this.#inflating = undefined;
    });
    return this.#inflating;
  }

  async #compress(): Promise<Buffer> {
    const compressed = await compressAsync(this.#plain!, { level: constants.Z_BEST_SPEED });
    this.#plain = undefined;
    this.bytes = compressed.length;
    this.onResize();
    return compressed;
  }

  async #inflate(): Promise<Buffer> {
    return await inflateAsync(await this.#gzip!, { maxOutputLength: Math.max(this.#plainLength, 1) });
  }
}

interface Kept {
  readonly scrapes: readonly Scrape[];
  readonly response: PreparedResponse;
  readonly bytes: number;
}

interface Pending {
  readonly scrapes: readonly Scrape[];
  readonly response: Promise<PreparedResponse>;
}

/**
 * Merges and converts scrapes, and keeps the responses until a scrape changes, so that no work is done twice. Their
 * bodies count against the memory budget: the least recently used response is evicted first, and one that does not
 * fit is served without being kept.
 */
export class PreparedResponses {
  /** Inflates scrapes and knows the damaged ones. */
  readonly reader: ScrapeReader;
  /** The least recently used first. */
  readonly #kept = new Map<string, Kept>();
  readonly #pending = new Map<string, Pending>();
  readonly #omissions = new Map<string, Pick<Kept, "scrapes"> & Pick<PreparedResponse, "omissions">>();
  readonly #merges = pLimit(maxConcurrentMerges);
  readonly #singles = pLimit(maxConcurrentSingles);
  #additionsUntilPruning = 0;

  /** Registers itself as an evictor of `memory`. @param cache responses made of scrapes that it has replaced are dropped. */
  constructor(
    private readonly cache: ReadCache,
    private readonly memory: MemoryBudget,
    logger?: Logger,
  ) {
    this.reader = new ScrapeReader(cache, logger);
    memory.addEvictor((bytesNeeded) => this.#evict(bytesNeeded));
  }

  /**
   * A response in `format` made of one scrape or several, without the damaged ones.
   *
   * @throws RangeError for OpenMetrics made of a scrape in the text format.
   */
  async get(scrapes: readonly Scrape[], format: Format): Promise<PreparedResponse> {
    const key = [format, ...scrapes.map(({ origin, id }) => `${origin} ${id}`)].join("\n");
    const kept = this.#kept.get(key);
    if (kept !== undefined && haveSameBytes(kept.scrapes, scrapes)) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return kept.response;
    }
    const current = this.#pending.get(key);
    if (current !== undefined && haveSameBytes(current.scrapes, scrapes)) return await current.response;
    const limit = scrapes.length > 1 ? this.#merges : this.#singles;
    const pending = { scrapes, response: limit(() => this.#prepare(scrapes, format)) };
    this.#pending.set(key, pending);
    try {
      const response = await pending.response;
      if (this.#pending.get(key) === pending) this.#add(key, scrapes, response);
      return response;
    } finally {
      // A newer one for the same key may have begun in the meantime.
      if (this.#pending.get(key) === pending) this.#pending.delete(key);
    }
  }

  /** What current responses omit: conflicting metric families and damaged scrapes. */
  omissions(): Omission[] {
    this.#prune();
    const ofResponses = [...this.#omissions.values()].flatMap(({ omissions }) => omissions);
    return [...this.reader.omissions(), ...ofResponses];
  }

  async #prepare(scrapes: readonly Scrape[], format: Format): Promise<PreparedResponse> {
    const slices = new TimeSlices();
    await slices.yield();
    const sources: (Source & { readonly scrape: Scrape })[] = [];
    // One after the other: inflating all at once would block the event loop.
    for (const scrape of scrapes) {
      const bytes = await this.reader.read(scrape);
      if (bytes !== undefined) {
        const labels = [["instance", instanceOf(scrape)]] as const;
        sources.push({ scrape, bytes, format: formatOf(scrape), labels });
      }
      if (slices.over) await slices.yield();
    }
    const [only] = sources;
    if (only === undefined) return new PreparedResponse(contentTypes[format], Buffer.alloc(0), 0);
    if (scrapes.length === 1) {
      if (only.format === format) return new PreparedResponse(only.scrape.contentType, only.bytes, 1);
      return new PreparedResponse(contentTypes[format], await runInSlices(toText(only.bytes)), 1);
    }
    const { bytes, conflicts } = await runInSlices(merge(sources, format));
    const omissions = conflicts.map(({ source, family, reason }) => ({
      instance: instanceOf(sources[source]!.scrape),
      family,
      reason,
    }));
    return new PreparedResponse(contentTypes[format], bytes, sources.length, omissions);
  }

  #add(key: string, scrapes: readonly Scrape[], response: PreparedResponse): void {
    this.#omissions.delete(key);
    const { omissions } = response;
    if (omissions.length > 0) this.#omissions.set(key, { scrapes, omissions });
    this.#keep(key, scrapes, response);
    // Not every time: that would be quadratic.
    if (--this.#additionsUntilPruning <= 0) this.#prune();
  }

  #keep(key: string, scrapes: readonly Scrape[], response: PreparedResponse): void {
    this.#drop(key);
    const kept = { scrapes, response, bytes: response.bytes };
    if (this.memory.take(kept.bytes)) this.#kept.set(key, kept);
    response.onResize = () => {
      if ((this.#kept.get(key) ?? kept) === kept) this.#keep(key, scrapes, response);
    };
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.memory.give(kept.bytes);
  }

  #evict(bytesNeeded: number): number {
    let freed = 0;
    for (const [key, { bytes }] of this.#kept) {
      if (freed >= bytesNeeded) break;
      this.#kept.delete(key);
      freed += bytes;
    }
    return freed;
  }

  /** Drops what is made of scrapes that the cache has replaced. */
  #prune(): void {
    const outdated = ({ scrapes }: Pick<Kept, "scrapes">) =>
      !scrapes.every((scrape) => this.cache.holds(scrape));
    for (const [key, kept] of this.#kept) if (outdated(kept)) this.#drop(key);
    for (const [key, one] of this.#omissions) if (outdated(one)) this.#omissions.delete(key);
    this.#additionsUntilPruning = this.#kept.size + this.#omissions.size;
  }
}

/** Whether a response made of `some` serves for `others` too, which have the same ids: only their times may differ. */
function haveSameBytes(some: readonly Scrape[], others: readonly Scrape[]): boolean {
  return some.every(({ gzip }, index) => gzip === others[index]!.gzip);
}
