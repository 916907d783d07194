import { pipeline } from "node:stream/promises";
import { constants, createGunzip, createGzip, gzipSync } from "node:zlib";
import { codeOf, describeError } from "../errors.js";
import { contentTypes, formatOfContentType } from "../exposition/format.js";
import { createValidator, type Validator, type Verdict } from "../exposition/validator.js";
import type { Scheduler, Work } from "../scheduler.js";
import { inflateAtOnce } from "./inflate-at-once.js";
import { ScrapeError } from "./scrape-error.js";

/**
 * Bodies up to this size, inflated too, are inflated and compressed at once on the main thread, which takes some
 * milliseconds at most; larger ones in pieces by the thread pool.
 */
const wholeBytes = 1024 * 1024;
const minChunkSize = 1024;
/** Bytes that are validated per step. */
const stepBytes = 16 * 1024;
/** Level 1 needs less than half the CPU time of the default; the result is about a tenth larger. */
const level = constants.Z_BEST_SPEED;

/**
 * A Content-Type that can be passed on: short, every parameter has a value, no parameter is repeated. For others,
 * Prometheus 3 fails the scrape, and Prometheus 2 parses OpenMetrics as the text format.
 */
const usableContentType =
  /^(?=.{1,256}$)[\w.+-]+\/[\w.+-]+(?: *; *([\w.+-]+)=(?:[\w.+-]+|"[\x20!\x23-\x5b\x5d-\x7e]*")(?!.*; *\1=))* *;? *$/i;

/** The result of a successful scrape. */
export interface Scraped {
  /** The exposition as one gzip stream: the bytes of the target if it sent gzip. */
  readonly gzip: Buffer;
  /** The Content-Type of the target if it is valid, else that of the detected format. */
  readonly contentType: string;
  /** Inflated size in bytes. */
  readonly size: number;
  readonly samples: number;
}

/** A response with status 200 whose body has not been read. */
export interface TargetResponse {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Buffer>;
}

interface BodyOptions {
  /** Whether the body is gzip. */
  readonly gzipped: boolean;
  /** Maximum size in bytes, both received and inflated. */
  readonly maxBytes: number;
  readonly validator: Validator;
  readonly scheduler: Scheduler;
}

/** A validated body. */
interface ReadBody extends Pick<Scraped, "gzip" | "size"> {
  readonly verdict: Extract<Verdict, { ok: true }>;
}

/**
 * Reads and validates the exposition in a response, whatever Content-Type it declares. The caller closes the body after
 * an error.
 *
 * @param maxBytes maximum size in bytes, both received and inflated.
 * @param scheduler shares the CPU between this and all other work.
 * @throws ScrapeError `too_large` or `invalid`; errors of the body.
 */
export async function readResponse(
  { headers, body }: TargetResponse,
  maxBytes: number,
  scheduler: Scheduler,
): Promise<Scraped> {
  const encoding = headerOf(headers, "content-encoding")?.trim().toLowerCase() ?? "identity";
  const gzipped = encoding === "gzip" || encoding === "x-gzip";
  if (!gzipped && encoding !== "identity" && encoding !== "") {
    throw new ScrapeError(
      "invalid",
      `unsupported content encoding ${JSON.stringify(encoding.slice(0, 100))}, expected gzip`,
    );
  }
  const contentType = headerOf(headers, "content-type");
  const format = formatOfContentType(contentType);
  const validator = createValidator(format);
  const { gzip, size, verdict } = await readBody(body, { gzipped, maxBytes, validator, scheduler });
  const keep = format !== undefined && contentType !== undefined && usableContentType.test(contentType);
  return {
    gzip,
    size,
    samples: verdict.samples,
    contentType: keep ? contentType : contentTypes[verdict.format],
  };
}

/** The first value of a header. */
export function headerOf(headers: TargetResponse["headers"], name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/**
 * Reads and validates a body, and compresses it if necessary. Memory holds at most one megabyte in addition to the
 * compressed bytes. Reading stops at the first error or at `maxBytes`.
 */
async function readBody(body: AsyncIterable<Buffer>, options: BodyOptions): Promise<ReadBody> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    const head = await readHead(iterator);
    const whole = head.ended ? await options.scheduler.run(readWhole(head.bytes, options)) : undefined;
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

/** Processes a small body. Returns undefined if its inflated size is too large for that. */
function* readWhole(
  bytes: Buffer,
  { gzipped, maxBytes, validator }: BodyOptions,
): Work<ReadBody | undefined> {
  const text = gzipped ? inflateWhole(bytes, Math.min(maxBytes, wholeBytes)) : bytes;
  if (text === undefined) return undefined;
  if (text.length > maxBytes) throw tooLarge(maxBytes);
  yield* validate(text, validator);
  const verdict = requireValid(validator.end());
  return { gzip: gzipped ? bytes : gzipSync(text, { level }), size: text.length, verdict };
}

/** @returns false once the exposition is known to be invalid. */
function* validate(text: Buffer, validator: Validator): Work<boolean> {
  for (let pos = 0; pos < text.length; pos += stepBytes) {
    if (!validator.push(text.subarray(pos, pos + stepBytes))) return false;
    yield;
  }
  return true;
}

function inflateWhole(gzip: Buffer, maxBytes: number): Buffer | undefined {
  try {
    const { bytes, bytesRead } = inflateAtOnce(gzip, maxBytes, Math.max(claimedSize(gzip), minChunkSize));
    if (bytesRead !== gzip.length) throw trailingBytes();
    return bytes;
  } catch (error) {
    if (codeOf(error) === "ERR_BUFFER_TOO_LARGE") return undefined;
    throw damagedGzip(error);
  }
}

/** The inflated size at the end of a gzip stream (RFC 1952 2.3.1). Only a hint: it may be wrong. */
function claimedSize(gzip: Buffer): number {
  return gzip.length < 4 ? 0 : gzip.readUInt32LE(gzip.length - 4);
}

async function readInPieces(pieces: AsyncGenerator<Buffer>, options: BodyOptions): Promise<ReadBody> {
  const { gzipped, maxBytes, validator, scheduler } = options;
  const compressed: Buffer[] = [];
  let receivedBytes = 0;
  let size = 0;
  const check = async (text: Buffer) => {
    size += text.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    if (!(await scheduler.run(validate(text, validator)))) requireValid(validator.end());
  };

  const codec = gzipped ? createGunzip() : createGzip({ level });
  async function* received(): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      receivedBytes += piece.length;
      if (receivedBytes > maxBytes) throw tooLarge(maxBytes);
      if (gzipped) compressed.push(piece);
      else await check(piece);
      yield piece;
    }
  }
  try {
    await pipeline(received, codec, async (output: AsyncIterable<Buffer>) => {
      for await (const piece of output) {
        if (gzipped) await check(piece);
        else compressed.push(piece);
      }
    });
  } catch (error) {
    throw gzipped && codeOf(error)?.startsWith("Z_") ? damagedGzip(error) : error;
  }
  if (gzipped && codec.bytesWritten !== receivedBytes) throw trailingBytes();
  return { gzip: Buffer.concat(compressed), size, verdict: requireValid(validator.end()) };
}

function requireValid(verdict: Verdict): ReadBody["verdict"] {
  if (verdict.ok) return verdict;
  throw new ScrapeError("invalid", `not a valid exposition: line ${verdict.line}: ${verdict.reason}`);
}

function tooLarge(maxBytes: number): ScrapeError {
  return new ScrapeError("too_large", `response exceeds SCRAPE_MAX_BYTES (${maxBytes} bytes uncompressed)`);
}

function damagedGzip(error: unknown): ScrapeError {
  if (error instanceof ScrapeError) return error;
  return new ScrapeError("invalid", `damaged gzip stream: ${describeError(error)}`, { cause: error });
}

function trailingBytes(): ScrapeError {
  return new ScrapeError("invalid", "damaged gzip stream: bytes after its end");
}

/** The most bytes that gzip makes of a text: it may lengthen it slightly. */
export function maxGzipBytes(bytes: number): number {
  return bytes + Math.ceil(bytes / 1000) + 1024;
}
