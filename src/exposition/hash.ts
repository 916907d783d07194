import { viewOf } from "./byte-sink.js";

const factor = 0x5bd1e995;

/** A hash of the bytes between `start` and `end`, four at once. Another seed makes another hash. */
export function hashBytes(view: DataView, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start);
  let pos = start;
  for (const last = end - 4; pos <= last; pos += 4) {
    hash = Math.imul(hash ^ view.getInt32(pos, true), factor);
    hash ^= hash >>> 15;
  }
  for (; pos < end; pos++) hash = Math.imul(hash ^ view.getUint8(pos), factor);
  hash = Math.imul(hash ^ (hash >>> 13), factor);
  return hash ^ (hash >>> 15);
}

/** The same of a byte string. */
export function hashText(text: string, seed: number): number {
  const bytes = Buffer.from(text, "latin1");
  return hashBytes(viewOf(bytes), 0, bytes.length, seed);
}
