import { deflateRawSync, inflateRawSync } from "node:zlib";
import { extract, type Header, pack } from "tar-stream";
import type { Scrape } from "../model/scrape.js";
import { checkArchiveShape } from "./archive-shape.js";
import { type EntryMetadata, metadataOf, readMetadata } from "./entry-metadata.js";
import { batchBytes, batchEntries, maxGzipBytes, type ReplicationLimits } from "./limits.js";
import { PeerError } from "./peer-error.js";

/*
 * A batch is a tar archive with one file: the gzip streams of its entries one after the other, as they are, which
 * is a gzip stream again. What is known of them stands in the PAX header before the file, under `comment`, the one
 * keyword that every tar passes over in silence. Several entries share a file because tar's own blocks would else
 * add a fifth to what travels.
 */

/** Cuts entries into batches. */
export function* batchesOf(entries: readonly Scrape[]): Generator<readonly Scrape[]> {
  let batch: Scrape[] = [];
  let bytes = 0;
  for (const entry of entries) {
    batch.push(entry);
    bytes += entry.gzip.length;
    if (batch.length < batchEntries && bytes < batchBytes) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

/** A batch, in pieces. @param monotonic now: ages are counted up to here. */
export async function encodeBatch(entries: readonly Scrape[], monotonic: number): Promise<Buffer[]> {
  const metadata = entries.map((entry) => metadataOf(entry, monotonic));
  const archive = pack();
  const header = {
    name: "entries.gz",
    mode: 0o600,
    mtime: new Date(0),
    pax: { comment: deflateRawSync(JSON.stringify(metadata)).toString("base64") },
  };
  archive.entry(header, Buffer.concat(entries.map((entry) => entry.gzip)));
  archive.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of archive) pieces.push(piece as Buffer);
  return pieces;
}

/** What came in a batch. */
export interface Received {
  readonly metadata: EntryMetadata;
  readonly gzip: Buffer;
}

/**
 * Reads a batch, whose length was limited before it was taken.
 *
 * @throws PeerError for anything but one plain file, named as it must be, as long as its metadata says.
 */
export async function decodeBatch(archive: Buffer, limits: ReplicationLimits): Promise<Received[]> {
  checkArchiveShape(archive);
  const reader = extract();
  reader.on("error", () => undefined);
  reader.end(archive);
  const received: Received[] = [];
  let files = 0;
  try {
    for await (const file of reader) {
      if (files++ > 0) throw new PeerError("protocol", "it sends an archive with more than one file");
      checkHeader(file.header, archive.length);
      const metadata = readComment(file.header, limits);
      const chunks: Buffer[] = [];
      for await (const chunk of file) chunks.push(chunk as Buffer);
      const content = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      received.push(...split(content, metadata, limits));
    }
  } catch (cause) {
    if (cause instanceof PeerError) throw cause;
    throw new PeerError("protocol", "it sends an archive that cannot be read", { cause });
  } finally {
    reader.destroy();
  }
  if (files === 0) throw new PeerError("protocol", "it sends an empty archive");
  return received;
}

function checkHeader({ type, name, size }: Header, archiveBytes: number): void {
  if (type !== "file")
    throw new PeerError("protocol", `it sends an archive with a ${type ?? "thing of no type"}`);
  if (name !== "entries.gz")
    throw new PeerError("protocol", "it sends an archive with a file of another name");
  // tar-stream reads some damaged sizes as null, takes that for 0, and then never comes to the file's end.
  if (typeof size !== "number" || !(size >= 0))
    throw new PeerError("protocol", "it sends an archive with a file of no size");
  if (!(size <= archiveBytes))
    throw new PeerError("limit", `it sends a file that says to have ${size} bytes`);
}

function readComment(header: Header, limits: ReplicationLimits): EntryMetadata[] {
  let raw: unknown;
  try {
    const deflated = Buffer.from(commentOf(header), "base64");
    raw = JSON.parse(inflateRawSync(deflated, { maxOutputLength: limits.messageBytes }).toString("utf8"));
  } catch (cause) {
    const tooLong = cause instanceof RangeError;
    throw new PeerError(tooLong ? "limit" : "protocol", "it sends an archive without readable metadata", {
      cause,
    });
  }
  return readMetadata(raw);
}

function commentOf({ pax }: Header): string {
  const { comment } = (pax ?? {}) as { comment?: unknown };
  return typeof comment === "string" ? comment : "";
}

function split(content: Buffer, metadata: readonly EntryMetadata[], limits: ReplicationLimits): Received[] {
  const total = metadata.reduce((sum, { gzipBytes }) => sum + gzipBytes, 0);
  if (total !== content.length) {
    throw new PeerError("protocol", "it sends an archive that is not as long as its metadata says");
  }
  let at = 0;
  return metadata.map((one) => {
    if (one.size > limits.entryBytes || one.gzipBytes > maxGzipBytes(limits.entryBytes)) {
      throw new PeerError(
        "limit",
        `it sends an entry that is larger than SCRAPE_MAX_BYTES (${one.size} bytes inflated)`,
      );
    }
    const slice = content.subarray(at, at + one.gzipBytes);
    at += one.gzipBytes;
    // A copy: a slice would keep the whole batch in memory for as long as the last entry of it lives.
    return { metadata: one, gzip: Buffer.from(slice) };
  });
}
