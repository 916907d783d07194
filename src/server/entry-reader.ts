import { promisify } from "node:util";
import { gunzip, gunzipSync } from "node:zlib";
import { describeError } from "../errors.js";
import { type Logger, silentLogger } from "../logging.js";
import type { Entry } from "../model/entry.js";
import { instanceOf } from "../model/target.js";

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

/**
 * Inflates entries for answers. One whose bytes are damaged costs nobody else theirs: it is left out, told once in
 * the log, and named for as long as it is the newest of its target.
 */
export class EntryReader {
  readonly #unreadable = new Map<Entry["gzip"], { readonly entry: Entry; readonly reason: string }>();
  readonly #isCurrent: (entry: Entry) => boolean;
  readonly #logger: Logger;

  /** @param isCurrent whether the exposition of an entry is still the newest of its target. */
  constructor(isCurrent: (entry: Entry) => boolean, logger: Logger = silentLogger) {
    this.#isCurrent = isCurrent;
    this.#logger = logger;
  }

  /** The inflated bytes of an entry; undefined where they cannot be had. */
  async read(entry: Entry): Promise<Buffer | undefined> {
    const { gzip, size } = entry;
    const limit = { maxOutputLength: Math.max(size, 1) };
    try {
      return size <= wholeInflatedBytes ? gunzipSync(gzip, limit) : await inflateAsync(gzip, limit);
    } catch (error) {
      this.#note(entry, `what is cached cannot be inflated: ${describeError(error)}`);
      return undefined;
    }
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
  reasonFor({ gzip }: Entry): string | undefined {
    return this.#unreadable.get(gzip)?.reason;
  }

  #note(entry: Entry, reason: string): void {
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
      if (!this.#isCurrent(entry)) this.#unreadable.delete(gzip);
    }
  }
}
