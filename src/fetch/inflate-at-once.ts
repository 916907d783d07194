import { gunzipSync } from "node:zlib";

/** zlib takes no less. */
const minChunkSize = 64;

/**
 * Inflates a gzip stream in one go: for small ones that is faster than in pieces.
 *
 * @param maxBytes inflated bytes at most, one or more.
 * @param expectedBytes how many it says to have: a hint, for it need not be true.
 * @returns what it inflated to, and how many bytes of the input that took: the rest is no part of the stream.
 * @throws zlib's errors; ERR_BUFFER_TOO_LARGE where it inflates to more than it may.
 */
export function inflateAtOnce(
  gzip: Buffer,
  maxBytes: number,
  expectedBytes: number,
): { readonly bytes: Buffer; readonly bytesRead: number } {
  // One buffer of the right size instead of many that are copied together; the one byte more ends it in one step.
  const chunkSize = Math.max(Math.min(expectedBytes, maxBytes) + 1, minChunkSize);
  // With `info` the result also tells how much of the input was used; the typings do not know it.
  const options = { maxOutputLength: maxBytes, chunkSize, info: true };
  const { buffer, engine } = gunzipSync(gzip, options) as unknown as {
    buffer: Buffer;
    engine: { bytesWritten: number };
  };
  return { bytes: buffer, bytesRead: engine.bytesWritten };
}
