import { crc32 } from "node:zlib";
import { z } from "zod";
import type { Clock } from "../model/clock.js";
import { clockOffsetOf, type Scrape } from "../model/scrape.js";

/*
 * An entry on disk is one file of two gzip members: a comment line with what is known of the entry, then the
 * exposition's own bytes exactly as they are served. So `zcat` shows both to a person, one rename makes the file
 * whole, and the length and checksum in the first member tell a torn one.
 *
 * The first member is not compressed (a stored deflate block, RFC 1951 3.2.4, in the frame of RFC 1952), so that
 * its end is known without inflating anything.
 */
const linePrefix = "# app-metrics-proxy ";
const gzipHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
const lastStoredBlock = 1;
const blockHeaderBytes = 5;
const gzipTrailerBytes = 8;
const maxLineBytes = 0xffff;
/** Milliseconds: as far as two dates can be apart. */
const maxClockAhead = 2 * 8.64e15;

const metadataSchema = z.object({
  version: z.literal(2),
  id: z.string().min(1),
  names: z.array(z.string()).min(1),
  job: z.string(),
  replica: z.string(),
  scope: z.enum(["replicated", "global", "local"]),
  stack: z.string().optional(),
  origin: z.string(),
  contentType: z.string(),
  size: z.int().nonnegative(),
  samples: z.int().positive(),
  url: z.string(),
  scrapedAt: z.iso.datetime(),
  /** Milliseconds that the origin's clock, by which `scrapedAt` is, was ahead of this node's. */
  clockAhead: z.number().min(-maxClockAhead).max(maxClockAhead).default(0),
  duration: z.number().nonnegative(),
  startedAt: z.number(),
  epoch: z.int().nonnegative(),
  sequence: z.int().nonnegative(),
  renewed: z.int().nonnegative(),
  gzipBytes: z.int().nonnegative(),
  gzipCrc32: z.int().nonnegative(),
});

/** The longest file that an exposition of `maxBytes` inflated bytes can need; gzip may lengthen a little. */
export function maxFileBytes(maxBytes: number): number {
  return maxBytes + Math.ceil(maxBytes / 1000) + maxLineBytes + 1024;
}

/** The bytes of an entry's file. Throws a RangeError where its metadata does not fit (over 64 KiB). */
export function encodeEntryFile(entry: Scrape, clock: Clock): Buffer {
  const { gzip, measuredAt: _, scrapedAt, ...rest } = entry;
  const metadata = {
    version: 2,
    ...rest,
    scrapedAt: new Date(scrapedAt).toISOString(),
    clockAhead: Math.round(clockOffsetOf(entry, clock) * 1000),
    gzipBytes: gzip.length,
    gzipCrc32: crc32(gzip),
  };
  const line = Buffer.from(`${linePrefix}${JSON.stringify(metadata)}\n`);
  if (line.length > maxLineBytes)
    throw new RangeError(`the metadata of ${entry.id} is over ${maxLineBytes} bytes`);
  const frame = Buffer.alloc(gzipHeader.length + blockHeaderBytes + line.length + gzipTrailerBytes);
  gzipHeader.copy(frame);
  let at = gzipHeader.length;
  at = frame.writeUInt8(lastStoredBlock, at);
  at = frame.writeUInt16LE(line.length, at);
  at = frame.writeUInt16LE(~line.length & 0xffff, at);
  at += line.copy(frame, at);
  at = frame.writeUInt32LE(crc32(line), at);
  frame.writeUInt32LE(line.length, at);
  return Buffer.concat([frame, gzip]);
}

/**
 * Reads an entry back. Its age goes on from the time of the scrape by this node's wall clock, as no monotonic clock
 * outlives a process; a time of scrape in the future counts as now.
 *
 * @returns undefined for a file that is torn, damaged, or not ours.
 */
export function decodeEntryFile(file: Buffer, clock: Clock): Scrape | undefined {
  const lineStart = gzipHeader.length + blockHeaderBytes;
  if (file.length < lineStart || !file.subarray(0, gzipHeader.length).equals(gzipHeader)) return undefined;
  const lineEnd = lineStart + file.readUInt16LE(gzipHeader.length + 1);
  const gzipStart = lineEnd + gzipTrailerBytes;
  if (file.length < gzipStart) return undefined;
  const line = file.subarray(lineStart, lineEnd);
  if (crc32(line) !== file.readUInt32LE(lineEnd)) return undefined;
  const metadata = parseMetadata(line.toString("utf8"));
  const gzip = file.subarray(gzipStart);
  if (metadata === undefined || gzip.length !== metadata.gzipBytes || crc32(gzip) !== metadata.gzipCrc32) {
    return undefined;
  }
  const { version: _, gzipBytes: __, gzipCrc32: ___, stack, scrapedAt, clockAhead, ...rest } = metadata;
  const scraped = Date.parse(scrapedAt);
  const age = Math.max(0, clock.now() - (scraped - clockAhead));
  return {
    ...rest,
    ...(stack === undefined ? {} : { stack }),
    scrapedAt: scraped,
    gzip,
    measuredAt: clock.monotonic() - age,
  };
}

function parseMetadata(line: string): z.infer<typeof metadataSchema> | undefined {
  if (!line.startsWith(linePrefix)) return undefined;
  try {
    return metadataSchema.parse(JSON.parse(line.slice(linePrefix.length)));
  } catch {
    return undefined; // Another version's file, or not ours: the next scrape replaces it.
  }
}
