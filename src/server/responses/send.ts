import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { Request } from "express";
import { inflateAtOnce } from "../../fetch/inflate-at-once.js";
import { printableLines } from "../../printable.js";
import type { HeldBodies } from "./held-bodies.js";
import { overloaded } from "./work-queue.js";

/** Larger bodies are sent in chunks, as fast as the client reads. */
const maxWholeBytes = 256 * 1024;
const chunkBytes = 64 * 1024;

/** Sends plain text, printable in a terminal, with a line feed at the end. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(`${printableLines(text)}\n`);
}

/** An exposition, ready to be sent. */
export interface Exposition {
  readonly contentType: string;
  readonly gzip: Buffer;
  /** Uncompressed size in bytes. */
  readonly size: number;
}

export interface SendOptions {
  /** Whether the client accepts gzip. */
  readonly gzipped: boolean;
  readonly bodies: HeldBodies;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Sends a whole exposition, inflated if the client does not accept gzip. A large body counts in the memory budget until
 * the response is closed, and is inflated in chunks.
 *
 * @throws UnavailableError if the body does not fit; then nothing has been sent.
 */
export function sendExposition(
  response: ServerResponse,
  { contentType, gzip, size }: Exposition,
  { gzipped, bodies, headers }: SendOptions,
): Promise<void> | undefined {
  if (response.destroyed) return undefined;
  const bytes = gzipped ? gzip.length : size;
  const isHead = response.req.method === "HEAD";
  const isLarge = bytes > maxWholeBytes && !isHead;
  if (isLarge && !bodies.holdFor(response, gzip)) throw overloaded("too many responses are being sent");
  const isGzip = gzipped || isLarge || isHead;
  const body = isGzip ? gzip : inflateAtOnce(gzip, Math.max(size, 1), size).bytes;
  response.statusCode = 200;
  response.setHeader("Content-Type", contentType);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (gzipped) response.setHeader("Content-Encoding", "gzip");
  response.setHeader("Content-Length", bytes);
  if (isLarge) return stream(response, gzip, gzipped);
  if (isHead) response.end();
  else response.end(body);
  return undefined;
}

async function stream(response: ServerResponse, gzip: Buffer, gzipped: boolean): Promise<void> {
  const chunks = Readable.from(chunksOf(gzip), { objectMode: false });
  // The pipeline adds several listeners for `close`, others wait for it as well.
  response.setMaxListeners(0);
  try {
    if (gzipped) await pipeline(chunks, response);
    else await pipeline(chunks, createGunzip({ chunkSize: chunkBytes }), response);
  } catch (error) {
    // Not an error if the client has disconnected.
    if (!response.req.socket.destroyed) throw error;
  }
}

function* chunksOf(body: Buffer): Generator<Buffer> {
  for (let pos = 0; pos < body.length; pos += chunkBytes) yield body.subarray(pos, pos + chunkBytes);
}

/** A signal that aborts when the response is closed, also because the client has disconnected. */
export function signalOf(response: ServerResponse): AbortSignal {
  const closed = new AbortController();
  response.once("close", () => closed.abort());
  return closed.signal;
}

/** Whether a client accepts gzip. Without an Accept-Encoding it does not, although RFC 9110 allows it: curl would print it. */
export function acceptsGzip(request: Request): boolean {
  // What Prometheus sends, at a fraction of the time.
  if (request.headers["accept-encoding"] === "gzip") return true;
  return request.acceptsEncodings("gzip") !== false;
}

/** All values of a parameter in the query of a URL. Express' parser ignores everything after 1,000 parameters. */
export function queryValues(url: string, name: string): string[] {
  const query = url.indexOf("?");
  return query < 0 ? [] : new URLSearchParams(url.slice(query)).getAll(name);
}
