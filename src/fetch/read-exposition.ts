import { pipeline } from "node:stream/promises";
import { constants, createGunzip, createGzip, gzipSync } from "node:zlib";
import { codeOf, describeError } from "../errors.js";
import type { Validator, Verdict } from "../exposition/validator.js";
import { inflateAtOnce } from "./inflate-at-once.js";
import { ScrapeError } from "./scrape-error.js";

/** The exposition of a response, checked and packed. */
export interface ReadExposition {
  /** One gzip stream: the target's own bytes where it sent gzip. */
  readonly gzip: Buffer;
  /** Inflated size in bytes. */
  readonly size: number;
  readonly verdict: Extract<Verdict, { ok: true }>;
}

export interface ReadOptions {
  /** Whether the body is gzip. */
  readonly gzipped: boolean;
  /** The most inflated bytes that are taken. */
  readonly maxBytes: number;
  readonly validator: Validator;
}

/** Bodies up to this size are handled in one go; beyond it, piece by piece, so that memory stays small. */
const wholeBytes = 1024 * 1024;
/** What a body may inflate to in one go, before other work has to wait noticeably. */
const wholeInflatedBytes = 4 * wholeBytes;
const minChunkSize = 1024;
/** Level 1 costs less than half of the default and gives up about a tenth of the size. */
const level = constants.Z_BEST_SPEED;

/**
 * Reads a body to its end, checks that all of it is one valid exposition, and packs it.
 *
 * Whatever the sender does, memory holds one megabyte beyond what was packed so far, and reading stops at the
 * first fault or at `maxBytes`.
 *
 * @throws ScrapeError `too_large`, `invalid`, or what `body` throws.
 */
export async function readExposition(
  body: AsyncIterable<Buffer>,
  options: ReadOptions,
): Promise<ReadExposition> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    const head = await readHead(iterator);
    const whole = head.ended ? readWhole(head.bytes, options) : undefined;
    return whole ?? (await readInPieces(piecesOf(head, iterator), options));
  } finally {
    await iterator.return?.();
  }
}

interface Head {
  readonly bytes: Buffer;
  readonly ended: boolean;
}

async function readHead(iterator: AsyncIterator<Buffer>): Promise<Head> {
  const chunks: Buffer[] = [];
  let size = 0;
  while (size <= wholeBytes) {
    const { value, done } = await iterator.next();
    if (done) return { bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), ended: true };
    chunks.push(value);
    size += value.length;
  }
  return { bytes: Buffer.concat(chunks), ended: false };
}

async function* piecesOf(head: Head, iterator: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield head.bytes;
  if (head.ended) return;
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
}

/** Handles a small body in one go; undefined where it inflates to more than that is good for. */
function readWhole(bytes: Buffer, { gzipped, maxBytes, validator }: ReadOptions): ReadExposition | undefined {
  const text = gzipped ? inflateWhole(bytes, Math.min(maxBytes, wholeInflatedBytes)) : bytes;
  if (text === undefined) return undefined;
  if (text.length > maxBytes) throw tooLarge(maxBytes);
  validator.push(text);
  const verdict = valid(validator.end());
  return { gzip: gzipped ? bytes : gzipSync(text, { level }), size: text.length, verdict };
}

function inflateWhole(gzip: Buffer, maxBytes: number): Buffer | undefined {
  try {
    const { bytes, bytesRead } = inflateAtOnce(gzip, maxBytes, Math.max(toldSize(gzip), minChunkSize));
    if (bytesRead !== gzip.length) throw trailingBytes();
    return bytes;
  } catch (error) {
    if (codeOf(error) === "ERR_BUFFER_TOO_LARGE") return undefined;
    throw badGzip(error);
  }
}

/** The inflated size that a gzip stream tells at its end (RFC 1952 2.3.1): a hint, for it need not be true. */
function toldSize(gzip: Buffer): number {
  return gzip.length < 4 ? 0 : gzip.readUInt32LE(gzip.length - 4);
}

async function readInPieces(pieces: AsyncGenerator<Buffer>, options: ReadOptions): Promise<ReadExposition> {
  const { gzipped, maxBytes, validator } = options;
  const packed: Buffer[] = [];
  let receivedBytes = 0;
  let size = 0;
  const check = (text: Buffer) => {
    size += text.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    if (!validator.push(text)) throw invalid(validator.end());
  };

  const codec = gzipped ? createGunzip() : createGzip({ level });
  async function* received(): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      receivedBytes += piece.length;
      if (receivedBytes > maxBytes) throw tooLarge(maxBytes);
      if (gzipped) packed.push(piece);
      else check(piece);
      yield piece;
    }
  }
  try {
    await pipeline(received, codec, async (output: AsyncIterable<Buffer>) => {
      for await (const piece of output) {
        if (gzipped) check(piece);
        else packed.push(piece);
      }
    });
  } catch (error) {
    throw gzipped && codeOf(error)?.startsWith("Z_") ? badGzip(error) : error;
  }
  if (gzipped && codec.bytesWritten !== receivedBytes) throw trailingBytes();
  return { gzip: Buffer.concat(packed), size, verdict: valid(validator.end()) };
}

function valid(verdict: Verdict): Extract<Verdict, { ok: true }> {
  if (!verdict.ok) throw invalid(verdict);
  return verdict;
}

function invalid(verdict: Verdict): ScrapeError {
  const where = verdict.ok ? "" : `line ${verdict.line}: ${verdict.reason}`;
  return new ScrapeError("invalid", `not a valid exposition: ${where}`);
}

function tooLarge(maxBytes: number): ScrapeError {
  return new ScrapeError("too_large", `larger than SCRAPE_MAX_BYTES (${maxBytes} bytes inflated)`);
}

function badGzip(error: unknown): ScrapeError {
  if (error instanceof ScrapeError) return error;
  return new ScrapeError("invalid", `the gzip stream is damaged: ${describeError(error)}`, { cause: error });
}

function trailingBytes(): ScrapeError {
  return new ScrapeError("invalid", "the gzip stream is damaged: bytes after its end");
}
