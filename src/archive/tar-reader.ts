import { AppError } from "../errors.js";
import { ByteReader } from "./byte-reader.js";

/** An archive that does not have the expected form. */
export class TarError extends AppError {}

/** The header of a member. */
export interface TarHeader {
  readonly name: string;
  /** Bytes of the body, without padding. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly mtime: number;
}

export const blockBytes = 512;
/** Bytes that are not needed are read in pieces of this size. */
const skippedBytes = 64 * 1024;
const regularFile = new Set(["0", "\0"]);

/**
 * Reads a header block (POSIX ustar, IEEE Std 1003.1, pax interchange format). Accepts only the output of
 * `tar-writer.ts`: a regular file, a plain name, octal numbers, a correct checksum.
 *
 * @param block 512 bytes.
 * @returns undefined for a block of zeros, which ends an archive.
 * @throws TarError
 */
export function readHeader(block: Buffer): TarHeader | undefined {
  let sum = 8 * 0x20;
  for (let at = 0; at < blockBytes; at++) if (at < 148 || at >= 156) sum += block[at]!;
  if (sum === 8 * 0x20) return undefined;
  if (octal(block, 148, 8) !== sum) throw new TarError("invalid checksum in tar header");
  if (block.toString("latin1", 257, 262) !== "ustar") throw new TarError("tar header is not ustar");
  if (!regularFile.has(String.fromCharCode(block[156]!)))
    throw new TarError("tar member is not a regular file");
  const prefix = text(block, 345, 155);
  const name = prefix === "" ? text(block, 0, 100) : `${prefix}/${text(block, 0, 100)}`;
  return { name, size: octal(block, 124, 12), mtime: octal(block, 136, 12) * 1000 };
}

/** Bytes of a body and its padding. */
export function paddedBytes(size: number): number {
  return Math.ceil(size / blockBytes) * blockBytes;
}

/** A member that arrived in a stream; without a body if it was not accepted. */
export interface StreamedMember extends TarHeader {
  readonly body: Buffer | undefined;
}

/**
 * Reads members from chunks of any size.
 *
 * @param accept called with each header before memory is allocated for the body. The body of a member that is not
 *   accepted is skipped. May throw to end the stream.
 * @throws TarError if the archive is invalid, and any error of `accept` or `chunks`.
 */
export async function* readStream(
  chunks: AsyncIterable<Buffer>,
  accept: (header: TarHeader) => boolean | Promise<boolean>,
): AsyncGenerator<StreamedMember> {
  const reader = new ByteReader(chunks);
  try {
    for (
      let block = await reader.read(blockBytes);
      block !== undefined;
      block = await reader.read(blockBytes)
    ) {
      const header = readHeader(block);
      if (header === undefined) throw new TarError("unexpected end of archive in stream");
      const isAccepted = await accept(header);
      const body = isAccepted ? await reader.read(header.size) : undefined;
      const rest = paddedBytes(header.size) - (body?.length ?? 0);
      for (let left = rest; left > 0; left -= skippedBytes) {
        if ((await reader.read(Math.min(left, skippedBytes))) === undefined) return;
      }
      if (body !== undefined || !isAccepted) yield { ...header, body };
    }
  } finally {
    await reader.close();
  }
}

function octal(block: Buffer, start: number, length: number): number {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(block.toString("latin1", start, start + length))?.[1];
  if (digits === undefined) throw new TarError("invalid number in tar header");
  return Number.parseInt(digits, 8);
}

function text(block: Buffer, start: number, length: number): string {
  const field = block.toString("latin1", start, start + length);
  const end = field.indexOf("\0");
  const value = end < 0 ? field : field.slice(0, end);
  if (!/^[\x21-\x7e]*$/.test(value)) throw new TarError("invalid name in tar header");
  return value;
}
