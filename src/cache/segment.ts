import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { type MemberName, readMemberName } from "../archive/members.js";
import { blockBytes, paddedBytes, readHeader, type TarHeader } from "../archive/tar-reader.js";
import { encodeMembers, endOfArchive, type TarMember } from "../archive/tar-writer.js";

/** A member of a segment whose body has not been read yet. */
export interface SegmentMember extends MemberName, Pick<TarHeader, "size" | "mtime"> {
  /** Offset of the body. */
  readonly start: number;
}

/** Reads a segment of an earlier process. */
export class SegmentReader {
  readonly #file: FileHandle;
  /** 0 for anything but a regular file. */
  readonly size: number;

  private constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** Opens a segment, also on a read-only disk. @throws system errors. */
  static async open(path: string): Promise<SegmentReader> {
    const flags = constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(path, constants.O_RDWR | flags).catch(() =>
      open(path, constants.O_RDONLY | flags),
    );
    const stat = await file.stat();
    return new SegmentReader(file, stat.isFile() ? stat.size : 0);
  }

  /**
   * The members, up to the end of the archive or the first incomplete one. Truncates an incomplete tail if the disk
   * permits it.
   *
   * @param maxBytes a larger member ends the segment.
   */
  async members(maxBytes: number): Promise<SegmentMember[]> {
    const members: SegmentMember[] = [];
    let at = 0;
    while (at + blockBytes <= this.size) {
      const header = await this.#header(at);
      if (header === undefined || header.size > maxBytes) break;
      const start = at + blockBytes;
      const end = start + paddedBytes(header.size);
      if (end > this.size) break;
      const name = readMemberName(header.name);
      if (name !== undefined) members.push({ ...name, size: header.size, mtime: header.mtime, start });
      at = end;
    }
    if (at < this.size && at + endOfArchive.length !== this.size)
      await this.#file.truncate(at).catch(() => undefined);
    return members;
  }

  /** The body of a member; undefined if its checksum is wrong. */
  async body({ start, size, crc }: SegmentMember): Promise<Buffer | undefined> {
    const body = Buffer.allocUnsafeSlow(size);
    const { bytesRead } = await this.#file.read(body, 0, size, start);
    return bytesRead === size && crc32(body) === crc ? body : undefined;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #header(at: number): Promise<TarHeader | undefined> {
    const block = Buffer.alloc(blockBytes);
    await this.#file.read(block, 0, blockBytes, at);
    try {
      return readHeader(block);
    } catch {
      return undefined; // An incomplete or damaged tail: it is truncated.
    }
  }
}

/** Appends members to a segment. Cannot be used after a failure. */
export class SegmentWriter {
  readonly path: string;
  readonly #file: FileHandle;
  #size = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Creates a segment that only this user can read. @throws system errors. */
  static async create(path: string): Promise<SegmentWriter> {
    return new SegmentWriter(path, await open(path, "wx", 0o600));
  }

  get size(): number {
    return this.#size;
  }

  /** Appends all members, or none: truncates the segment after a failed write. @throws system errors. */
  async append(members: readonly TarMember[]): Promise<void> {
    const pieces = await encodeMembers(members);
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    try {
      await this.#write(pieces, bytes);
      this.#size += bytes;
    } catch (error) {
      await this.#file.truncate(this.#size).catch(() => undefined);
      throw error;
    }
  }

  /** Ends the archive. @throws system errors. */
  async close(): Promise<void> {
    try {
      await this.#write([endOfArchive], endOfArchive.length);
    } finally {
      await this.#file.close();
    }
  }

  async #write(pieces: Buffer[], bytes: number): Promise<void> {
    const { bytesWritten } = await this.#file.writev(pieces);
    if (bytesWritten === bytes) return;
    const rest = Buffer.concat(pieces).subarray(bytesWritten);
    await this.#file.writeFile(rest);
  }
}
