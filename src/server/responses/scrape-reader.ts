import { promisify } from "node:util";
import { createGunzip, gunzip } from "node:zlib";
import type { Cache } from "../../cache/cache.js";
import { AppError, codeOf, describeError } from "../../errors.js";
import { type Format, formatOfContentType } from "../../exposition/format.js";
import { createValidator, type Validator } from "../../exposition/validator.js";
import { inflateAtOnce } from "../../fetch/inflate-at-once.js";
import { type Logger, silentLogger } from "../../logging.js";
import type { Scrape } from "../../model/scrape.js";
import { type CpuTime, type Work, wait } from "../../scheduler.js";
import { type Omission, OmittedScrapes } from "./omitted-scrapes.js";

/** Up to this size a scrape is inflated on the main thread; larger ones use the thread pool. */
const maxInlineBytes = 1024 * 1024;
/** Bytes of a scrape that are checked per step. */
const chunkSize = 16 * 1024;
/** Milliseconds of CPU time that the check of one scrape may take. */
const maxCheckMs = 5000;

/** What a reader needs to know about the cache. */
export type ReadCache = Pick<Cache, "has" | "holds" | "wasScraped">;

/** A scrape does not match its metadata. The message completes "cached scrape …". */
class DamagedScrapeError extends AppError {}

const tooLarge = "inflates to more than its stated size";

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
  readonly #damaged: OmittedScrapes;
  /** Bytes that passed the check. */
  readonly #checked = new WeakSet<Scrape["gzip"]>();

  constructor(
    private readonly cache: ReadCache,
    logger: Logger = silentLogger,
  ) {
    const message = "cached scrape is damaged and omitted until the next scrape";
    this.#damaged = new OmittedScrapes(cache, (fields) => logger.error(message, fields));
  }

  /** The inflated bytes of a scrape; undefined if it is damaged. */
  *read(scrape: Scrape, cpu: CpuTime): Work<Buffer | undefined> {
    if (this.#damaged.has(scrape)) return undefined;
    try {
      const { bytes, bytesRead } = yield* inflate(scrape);
      if (!this.isChecked(scrape)) {
        const check = new ScrapeCheck(scrape, cpu);
        for (
          let pos = 0;
          pos < bytes.length && check.push(bytes.subarray(pos, pos + chunkSize));
          pos += chunkSize
        )
          yield;
        check.end(bytesRead);
        this.#checked.add(scrape.gzip);
      }
      return bytes;
    } catch (error) {
      return this.#addDamaged(scrape, error);
    }
  }

  /** Whether the bytes of a scrape are good. Checks them in chunks, which needs little memory. */
  *check(scrape: Scrape, cpu: CpuTime): Work<boolean> {
    if (this.isChecked(scrape)) return true;
    if (this.#damaged.has(scrape)) return false;
    const gunzip = createGunzip({ chunkSize });
    try {
      const check = new ScrapeCheck(scrape, cpu);
      const chunks = gunzip[Symbol.asyncIterator]();
      gunzip.end(scrape.gzip);
      for (;;) {
        const { done, value } = yield* wait(chunks.next());
        if (done === true || !check.push(value as Buffer)) break;
      }
      check.end(gunzip.bytesWritten);
      this.#checked.add(scrape.gzip);
      return true;
    } catch (error) {
      this.#addDamaged(scrape, error);
      return false;
    } finally {
      gunzip.destroy();
    }
  }

  #addDamaged(scrape: Scrape, error: unknown): undefined {
    const fault =
      error instanceof DamagedScrapeError ? error.message : `cannot be inflated: ${describeError(error)}`;
    this.#damaged.add(scrape, `cached scrape ${fault}`);
  }

  /** Whether the bytes of a scrape are known to be good, and can be sent unread. */
  isChecked(scrape: Scrape): boolean {
    return this.cache.wasScraped(scrape) || this.#checked.has(scrape.gzip);
  }

  /** The damaged scrapes that are still the newest of their targets. */
  omissions(): Omission[] {
    return this.#damaged.list();
  }

  /** Why a scrape could not be read; undefined if it could, or has not been read yet. */
  reasonFor(scrape: Scrape): string | undefined {
    return this.#damaged.reasonFor(scrape);
  }
}

interface Inflated {
  readonly bytes: Buffer;
  /** How many bytes of the scrape belong to the gzip stream. */
  readonly bytesRead: number;
}

/** @throws DamagedScrapeError, or zlib's errors. */
function* inflate({ gzip, size }: Scrape): Work<Inflated> {
  const maxOutputLength = Math.max(size, 1);
  try {
    if (size <= maxInlineBytes) return inflateAtOnce(gzip, maxOutputLength, size);
    // One spare byte, so that zlib finishes in a single step. `info` adds what the type definitions lack.
    const options = { maxOutputLength, chunkSize: size + 1, info: true };
    const { buffer, engine } = (yield* wait(gunzipAsync(gzip, options))) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    return { bytes: buffer, bytesRead: engine.bytesWritten };
  } catch (error) {
    if (codeOf(error) !== "ERR_BUFFER_TOO_LARGE") throw error;
    throw new DamagedScrapeError(tooLarge, { cause: error });
  }
}

const gunzipAsync = promisify(gunzip);

/**
 * Checks a scrape against its metadata: one gzip stream that inflates to exactly the stated size, and a valid
 * exposition of its format with the stated number of samples.
 */
class ScrapeCheck {
  readonly #scrape: Scrape;
  readonly #validator: Validator;
  #inflated = 0;
  readonly #cpu: CpuTime;
  readonly #cpuLimit: number;

  constructor(scrape: Scrape, cpu: CpuTime) {
    this.#scrape = scrape;
    this.#cpu = cpu;
    this.#cpuLimit = cpu.spent + maxCheckMs;
    this.#validator = createValidator(formatOf(scrape));
  }

  /** @returns whether more bytes are needed. @throws DamagedScrapeError if the scrape is too large or takes too long. */
  push(chunk: Buffer): boolean {
    this.#inflated += chunk.length;
    if (this.#inflated > this.#scrape.size) throw new DamagedScrapeError(tooLarge);
    if (this.#cpu.spent > this.#cpuLimit) throw new DamagedScrapeError("takes too long to check");
    return this.#validator.push(chunk);
  }

  /** @param gzipBytesRead how many bytes of the scrape the inflation consumed. @throws DamagedScrapeError */
  end(gzipBytesRead: number): void {
    const { gzip, samples, size } = this.#scrape;
    const verdict = this.#validator.end();
    if (!verdict.ok) {
      throw new DamagedScrapeError(`is not a valid exposition: line ${verdict.line}: ${verdict.reason}`);
    }
    if (this.#inflated !== size || gzipBytesRead !== gzip.length) {
      throw new DamagedScrapeError("does not have its stated size");
    }
    if (verdict.samples !== samples) {
      throw new DamagedScrapeError("does not have its stated number of samples");
    }
  }
}
