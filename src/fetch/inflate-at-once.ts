import { gunzipSync } from "node:zlib";

/** The minimum that zlib accepts. */
const minChunkSize = 64;

/**
 * Inflates a small gzip stream synchronously, which is faster than a stream of pieces.
 *
 * @param maxBytes maximum inflated size in bytes, at least 1.
 * @param expectedBytes the size that the gzip stream claims. Only a hint: it may be wrong.
 * @returns the inflated bytes, and how many input bytes belong to the gzip stream. Any others follow its end.
 * @throws zlib's errors; ERR_BUFFER_TOO_LARGE if the inflated size exceeds `maxBytes`.
 */
export function inflateAtOnce(
  gzip: Buffer,
  maxBytes: number,
  expectedBytes: number,
): { readonly bytes: Buffer; readonly bytesRead: number } {
  // One buffer of the right size avoids copying; with one spare byte, zlib finishes in a single step.
  const chunkSize = Math.max(Math.min(expectedBytes, maxBytes) + 1, minChunkSize);
  // `info` adds the number of input bytes to the result. The type definitions lack it.
  const options = { maxOutputLength: maxBytes, chunkSize, info: true };
  const { buffer, engine } = gunzipSync(gzip, options) as unknown as {
    buffer: Buffer;
    engine: { bytesWritten: number };
  };
  return { bytes: buffer, bytesRead: engine.bytesWritten };
}
