import { PeerError } from "./peer-error.js";

const blockBytes = 512;
/** Headers that say something of the file that follows: one is needed, and tar programs write up to three. */
const headersBefore = 4;
/** Zeros after the last file: tar programs fill up to 10 kB. */
const mostPadding = 20 * 1024;
/** PAX headers, for one file and for all, and GNU's long names and links. */
const describing: ReadonlySet<string> = new Set(["x", "g", "L", "K"]);

/**
 * Checks, by looking at a handful of headers, that an archive is no more than one file and what is said of it. A
 * reader of archives would go through megabytes of headers, or of zeros, before it found that out.
 *
 * @throws PeerError `protocol`.
 */
export function checkArchiveShape(archive: Buffer): void {
  let at = 0;
  for (let header = 0; header <= headersBefore; header++) {
    if (at + blockBytes > archive.length) return;
    const type = String.fromCharCode(archive[at + 156] ?? 0);
    const size = sizeIn(archive.subarray(at, at + blockBytes));
    at += blockBytes + Math.ceil(size / blockBytes) * blockBytes;
    if (describing.has(type)) continue;
    if (archive.length - at > mostPadding) {
      throw new PeerError("protocol", "it sends an archive with more than one file");
    }
    return;
  }
  throw new PeerError("protocol", "it sends an archive of nothing but headers");
}

/** The size field of a header (POSIX ustar): octal digits. What else may be there is left to the reader to refuse. */
function sizeIn(header: Buffer): number {
  const digits = /^[\0 ]*([0-7]+)/.exec(header.toString("latin1", 124, 136))?.[1];
  return digits === undefined ? 0 : Number.parseInt(digits, 8);
}
