import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createGunzip, gunzip } from "node:zlib";
import type { Cache } from "../../cache/cache.js";
import { AppError, describeError } from "../../errors.js";
import { type Format, formatOfContentType } from "../../exposition/format.js";
import { createValidator, type Validator } from "../../exposition/validator.js";
import { inflateAtOnce } from "../../fetch/inflate-at-once.js";
import { type Logger, silentLogger } from "../../logging.js";
import type { Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";

/** Something that a response had to omit. */
export interface Omission {
  readonly instance: string;
  /** The metric family; undefined if the whole scrape is omitted. */
  readonly family?: string;
  readonly reason: string;
}

/** Up to this size a scrape is inflated on the main thread; larger ones use the thread pool. */
const maxInlineBytes = 1024 * 1024;
const inflateAsync = promisify(gunzip);

/** What a reader needs to know about the cache. */
export type ReadCache = Pick<Cache, "holds" | "wasScraped">;

/** A scrape does not match its metadata. The message completes "cached scrape …". */
class DamagedScrapeError extends AppError {}

/** The format of a scrape. */
export function formatOf({ contentType }: Pick<Scrape, "contentType">): Format {
  return formatOfContentType(contentType) ?? "text";
}

/**
 * Inflates scrapes for responses. Scrapes from other nodes or from disk are checked once, before their first use. A
 * damaged scrape is omitted, logged once, and listed until its target is scraped again; other scrapes are not
 * affected.
 */
export class ScrapeReader {
  readonly #damaged = new Map<Scrape["gzip"], { readonly scrape: Scrape; readonly reason: string }>();
  /** Bytes that passed the check. */
  readonly #checked = new WeakSet<Scrape["gzip"]>();

  constructor(
    private readonly cache: ReadCache,
    private readonly logger: Logger = silentLogger,
  ) {}

  /** The inflated bytes of a scrape; undefined if it is damaged. */
  async read(scrape: Scrape): Promise<Buffer | undefined> {
    const { gzip, size } = scrape;
    return this.#attempt(scrape, async () => {
      const maxOutputLength = Math.max(size, 1);
      if (size > maxInlineBytes) {
        if (!this.isChecked(scrape)) await checkInChunks(scrape);
        return await inflateAsync(gzip, { maxOutputLength });
      }
      const { bytes, bytesRead } = inflateAtOnce(gzip, maxOutputLength, size);
      if (!this.isChecked(scrape)) checkInflated(scrape, bytes, bytesRead);
      return bytes;
    });
  }

  /** Whether the bytes of a scrape are known to be good, and can be sent unread. */
  isChecked(scrape: Scrape): boolean {
    return this.cache.wasScraped(scrape) || this.#checked.has(scrape.gzip);
  }

  /** Whether the bytes of a scrape are good. Checks them unless that was done before. */
  async check(scrape: Scrape): Promise<boolean> {
    if (this.isChecked(scrape)) return true;
    if (scrape.size <= maxInlineBytes) return (await this.read(scrape)) !== undefined;
    return (await this.#attempt(scrape, () => checkInChunks(scrape).then(() => true))) ?? false;
  }

  /** The damaged scrapes that are still the newest of their targets. */
  omissions(): Omission[] {
    this.#forgetReplaced();
    return [...this.#damaged.values()].map(({ scrape, reason }) => ({
      instance: instanceOf(scrape),
      reason,
    }));
  }

  /** Why a scrape could not be read; undefined if it could, or has not been read yet. */
  reasonFor({ gzip }: Scrape): string | undefined {
    return this.#damaged.get(gzip)?.reason;
  }

  /** Runs work that fails for a damaged scrape; returns undefined if it does. */
  async #attempt<T>(scrape: Scrape, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#damaged.has(scrape.gzip)) return undefined;
    try {
      const result = await work();
      this.#checked.add(scrape.gzip);
      return result;
    } catch (error) {
      const fault =
        error instanceof DamagedScrapeError ? error.message : `cannot be inflated: ${describeError(error)}`;
      this.#addDamaged(scrape, `cached scrape ${fault}`);
      return undefined;
    }
  }

  #addDamaged(scrape: Scrape, reason: string): void {
    // Another request may have reported it in the meantime.
    if (this.#damaged.has(scrape.gzip)) return;
    this.#forgetReplaced();
    this.#damaged.set(scrape.gzip, { scrape, reason });
    const message = "cached scrape is damaged and omitted until the next scrape";
    this.logger.error(message, { instance: instanceOf(scrape), origin: scrape.origin, reason });
  }

  #forgetReplaced(): void {
    for (const [gzip, { scrape }] of this.#damaged) {
      if (!this.cache.holds(scrape)) this.#damaged.delete(gzip);
    }
  }
}

/**
 * Checks a scrape against its metadata: one gzip stream that inflates to exactly the stated size, and a valid
 * exposition of its format with the stated number of samples.
 *
 * @param text the inflated scrape.
 * @param gzipBytesRead how many bytes of the scrape the inflation consumed.
 * @throws DamagedScrapeError
 */
function checkInflated(scrape: Scrape, text: Buffer, gzipBytesRead: number): void {
  const validator = createValidator(formatOf(scrape));
  validator.push(text);
  requireMatch(scrape, validator, text.length, gzipBytesRead);
}

/**
 * The same check in chunks. Uses little memory, and stops when the scrape inflates to more than its stated size.
 *
 * @throws DamagedScrapeError, or zlib's errors.
 */
async function checkInChunks(scrape: Scrape): Promise<void> {
  const validator = createValidator(formatOf(scrape));
  const gunzip = createGunzip();
  let inflated = 0;
  await pipeline([scrape.gzip], gunzip, async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      inflated += chunk.length;
      if (inflated > scrape.size) throw new DamagedScrapeError("inflates to more than its stated size");
      if (!validator.push(chunk)) return;
    }
  });
  requireMatch(scrape, validator, inflated, gunzip.bytesWritten);
}

function requireMatch(
  { size, samples, gzip }: Scrape,
  validator: Validator,
  inflated: number,
  gzipBytesRead: number,
): void {
  const verdict = validator.end();
  if (!verdict.ok) {
    throw new DamagedScrapeError(`is not a valid exposition: line ${verdict.line}: ${verdict.reason}`);
  }
  if (inflated !== size || gzipBytesRead !== gzip.length) {
    throw new DamagedScrapeError("does not have its stated size");
  }
  if (verdict.samples !== samples) {
    throw new DamagedScrapeError("does not have its stated number of samples");
  }
}
