import type { Received } from "./batch.js";
import { PeerError } from "./peer-error.js";

const magic = Buffer.from([0x1f, 0x8b, 8]);
/** Header and trailer of a gzip stream (RFC 1952 2.3), and the least between them. */
const leastBytes = 10 + 2 + 8;

/**
 * Looks at both ends of an entry's gzip stream: it begins as one, and tells at its end that it inflates to the said
 * size. That finds what is no entry at all, cut, or not what its metadata is about.
 *
 * It is not inflated and checked here. Its origin has done that before it published it, and the channel keeps it as
 * it was. To do it again takes 0.45 s of CPU for a thousand expositions of 98 kB, more than all else that a receiver
 * does for them, in each cycle and on every node, although most of them are replaced before anybody asks this node
 * for them. Instead each is checked in full before its first use, see server/entry-reader.ts: nothing that a peer
 * sends is served or merged on its word.
 *
 * @throws PeerError `invalid_entry`.
 */
export function checkGzip({ metadata, gzip }: Received): void {
  const { size, job, replica } = metadata;
  const fault = (what: string) =>
    new PeerError("invalid_entry", `it sends an entry of ${job}.${replica} that ${what}`);
  if (gzip.length < leastBytes || !gzip.subarray(0, magic.length).equals(magic))
    throw fault("is no gzip stream");
  if (gzip.readUInt32LE(gzip.length - 4) !== size % 2 ** 32) throw fault("does not inflate to what it says");
}
