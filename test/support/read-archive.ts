import { blockBytes, paddedBytes, readHeader, type TarHeader } from "../../src/archive/tar-reader.js";

/** A member of an archive that is in memory, and the offset of the byte after it. */
export interface ReadMember extends TarHeader {
  readonly body: Buffer;
  readonly end: number;
}

/**
 * Reads the members of an archive that is in memory. Stops at its end, at an incomplete member, and at the first
 * invalid header; all members before that are complete. Bodies are parts of `archive`.
 */
export function* readArchive(archive: Buffer): Generator<ReadMember> {
  for (let at = 0; at + blockBytes <= archive.length; ) {
    let header: TarHeader | undefined;
    try {
      header = readHeader(archive.subarray(at, at + blockBytes));
    } catch {
      return; // An incomplete or damaged tail.
    }
    if (header === undefined) return;
    const start = at + blockBytes;
    const end = start + paddedBytes(header.size);
    if (end > archive.length) return;
    yield { ...header, body: archive.subarray(start, start + header.size), end };
    at = end;
  }
}
