import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { describeError } from "../../errors.js";
import { inflateAtOnce } from "../../fetch/inflate-at-once.js";
import { type Logger, silentLogger } from "../../logging.js";
import type { Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import { checkInflated, checkInPieces, DamagedEntryError } from "./check-scrape.js";

/** Something that an answer had to leave out. */
export interface LeftOut {
  readonly instance: string;
  /** The metric family; absent where the whole source had to go. */
  readonly family?: string;
  readonly reason: string;
}

/** What is inflated in one go; larger entries go through the thread pool. */
const wholeInflatedBytes = 1024 * 1024;
const inflateAsync = promisify(gunzip);

/** What a reader needs to know of the cache. */
export interface ReadCache {
  /** Whether the exposition of an entry is still the newest of its target. */
  holds(entry: Scrape): boolean;
  /** Whether this process has scraped it itself: then it has been checked. */
  wasScraped(entry: Scrape): boolean;
}

/**
 * Inflates entries for answers, and checks what other nodes have sent, and what the disk has kept, before its first
 * use, once each. One that is damaged costs nobody else theirs: it is left out, told once in the log, and named for
 * as long as it is the newest of its target.
 */
export class EntryReader {
  readonly #unreadable = new Map<Scrape["gzip"], { readonly entry: Scrape; readonly reason: string }>();
  /** The bytes that were found good here. */
  readonly #checked = new WeakSet<Scrape["gzip"]>();
  readonly #cache: ReadCache;
  readonly #logger: Logger;

  constructor(cache: ReadCache, logger: Logger = silentLogger) {
    this.#cache = cache;
    this.#logger = logger;
  }

  /** The inflated bytes of an entry; undefined where it is damaged. */
  async read(entry: Scrape): Promise<Buffer | undefined> {
    const { gzip, size } = entry;
    return this.#attempt(entry, async () => {
      const maxOutputLength = Math.max(size, 1);
      if (size > wholeInflatedBytes) {
        if (!this.isChecked(entry)) await checkInPieces(entry);
        return await inflateAsync(gzip, { maxOutputLength });
      }
      const { bytes, bytesRead } = inflateAtOnce(gzip, maxOutputLength, size);
      if (!this.isChecked(entry)) checkInflated(entry, bytes, bytesRead);
      return bytes;
    });
  }

  /** Whether an entry may be sent as it is, without a look at it. */
  isChecked(entry: Scrape): boolean {
    return this.#cache.wasScraped(entry) || this.#checked.has(entry.gzip);
  }

  /** Whether an entry may be sent as it is; it is looked at where nobody has. */
  async check(entry: Scrape): Promise<boolean> {
    if (this.isChecked(entry)) return true;
    if (entry.size <= wholeInflatedBytes) return (await this.read(entry)) !== undefined;
    return (await this.#attempt(entry, () => checkInPieces(entry).then(() => true))) ?? false;
  }

  /** The sources that are left out at the moment. */
  unreadable(): LeftOut[] {
    this.#forgetOutdated();
    return [...this.#unreadable.values()].map(({ entry, reason }) => ({
      instance: instanceOf(entry),
      reason,
    }));
  }

  /** Why an entry could not be read, in words. */
  reasonFor({ gzip }: Scrape): string | undefined {
    return this.#unreadable.get(gzip)?.reason;
  }

  /** Does something that shows whether an entry is good; undefined where it is not. */
  async #attempt<T>(entry: Scrape, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#unreadable.has(entry.gzip)) return undefined;
    try {
      const result = await work();
      this.#checked.add(entry.gzip);
      return result;
    } catch (error) {
      const fault =
        error instanceof DamagedEntryError ? error.message : `cannot be inflated: ${describeError(error)}`;
      this.#note(entry, `what is cached ${fault}`);
      return undefined;
    }
  }

  #note(entry: Scrape, reason: string): void {
    if (this.#unreadable.has(entry.gzip)) return;
    this.#forgetOutdated();
    this.#unreadable.set(entry.gzip, { entry, reason });
    const { origin } = entry;
    this.#logger.error("a cached exposition is damaged and left out until the next scrape", {
      instance: instanceOf(entry),
      origin,
      reason,
    });
  }

  #forgetOutdated(): void {
    for (const [gzip, { entry }] of this.#unreadable) {
      if (!this.#cache.holds(entry)) this.#unreadable.delete(gzip);
    }
  }
}
