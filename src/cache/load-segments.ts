import { scrapeKey } from "../archive/members.js";
import { decodePublication, maxPublicationBytes } from "../archive/publication-json.js";
import { describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import type { MemoryBudget } from "../memory-budget.js";
import type { Clock } from "../model/clock.js";
import type { Publication } from "../model/publication.js";
import type { Cache } from "./cache.js";
import type { HeldPublication } from "./held-publication.js";
import { type SegmentMember, SegmentReader } from "./segment.js";

/** A segment of this size is closed. */
export const maxSegmentBytes = 32 * 1024 * 1024;

export interface DiskLogOptions {
  /** CACHE_DIR. */
  readonly folder: string;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly budget: MemoryBudget;
  /** HISTORY in seconds. */
  readonly history: number;
  /** The largest gzip stream of one scrape, in bytes. */
  readonly maxScrapeBytes: number;
}

/** What a segment on disk contains. */
export interface Segment {
  readonly path: string;
  /** When it was opened, on the monotonic clock. */
  readonly openedAt: number;
  /** When the youngest of its batches was published, on the monotonic clock. */
  lastBatch: number;
  /** Its size on disk. */
  bytes: number;
  readonly scrapes: Map<string, { readonly origin: string; readonly number: number }>;
  /** Keys of its documents. The documents are not referenced, because newer ones may have replaced them. */
  readonly documents: Set<string>;
}

interface StoredMember {
  readonly member: SegmentMember;
  readonly reader: SegmentReader;
  readonly segment: Segment;
}

export function emptySegment(path: string, openedAt: number): Segment {
  const lastBatch = Number.NEGATIVE_INFINITY;
  return { path, openedAt, lastBatch, bytes: 0, scrapes: new Map(), documents: new Set() };
}

/** The size of all segments, in bytes, beyond which the oldest are removed: they would not fit into memory either. */
export function maxLogBytes({ maxBytes }: MemoryBudget): number {
  return 4 * maxBytes + maxSegmentBytes;
}

export function documentKey({ kind, origin, number }: Publication): string {
  return `${kind} ${scrapeKey(origin, number)}`;
}

/** Notes that a segment contains a publication. */
export function notePublication(segment: Segment, { publication, at }: HeldPublication): void {
  if (publication.kind === "batch") segment.lastBatch = Math.max(segment.lastBatch, at);
  else segment.documents.add(documentKey(publication));
}

/**
 * Loads the segments of an earlier process into the cache. Skips files, publications and scrapes that cannot be read:
 * scans and peers replace them. Skips the oldest segments beyond `maxLogBytes`.
 *
 * @param paths in the order in which the segments were written.
 * @throws system errors.
 */
export async function loadSegments(paths: readonly string[], options: DiskLogOptions): Promise<Segment[]> {
  const { cache, clock, maxScrapeBytes, budget } = options;
  const segments: Segment[] = [];
  const publications: StoredMember[] = [];
  const scrapes = new Map<string, StoredMember>();
  const readers: SegmentReader[] = [];
  let bytes = 0;
  try {
    for (const path of paths.toReversed()) {
      const segment = emptySegment(path, clock.monotonic());
      segments.unshift(segment);
      const reader = await openReader(path, options);
      if (reader === undefined) continue;
      readers.push(reader);
      segment.bytes = reader.size;
      bytes += reader.size;
      if (bytes > maxLogBytes(budget)) continue;
      for (const member of await reader.members(Math.max(maxScrapeBytes, maxPublicationBytes))) {
        const stored = { member, reader, segment };
        const key = scrapeKey(member.origin, member.number);
        if (member.kind !== undefined) publications.push(stored);
        else if (!scrapes.has(key)) scrapes.set(key, stored);
      }
    }
    publications.sort((a, b) => a.member.number - b.member.number);
    const documents = await readDocuments(publications, options);
    for (const stored of publications) {
      // One batch after the other, because all decoded ones may not fit into memory.
      const held =
        stored.member.kind === "batch" ? await readPublication(stored, options) : documents.get(stored);
      if (held === undefined) continue;
      notePublication(stored.segment, held);
      const { origin } = held.publication;
      for (const number of cache.add(held)) {
        await loadScrape(origin, number, scrapes.get(scrapeKey(origin, number)), options);
      }
    }
  } finally {
    for (const reader of readers) await reader.close();
  }
  return segments;
}

/** Reads the newest valid document of each origin and kind. @param publications in the order of their numbers. */
async function readDocuments(
  publications: readonly StoredMember[],
  options: DiskLogOptions,
): Promise<Map<StoredMember, HeldPublication>> {
  const documents = new Map<StoredMember, HeldPublication>();
  const known = new Set<string>();
  for (const stored of publications.toReversed()) {
    const { kind, origin } = stored.member;
    if (kind === "batch" || known.has(`${kind} ${origin}`)) continue;
    const held = await readPublication(stored, options);
    if (held === undefined) continue;
    documents.set(stored, held);
    known.add(`${kind} ${origin}`);
  }
  return documents;
}

async function openReader(path: string, { logger }: DiskLogOptions): Promise<SegmentReader | undefined> {
  try {
    return await SegmentReader.open(path);
  } catch (error) {
    logger.warn("cache file skipped", { file: path, error: describeError(error) });
    return undefined;
  }
}

async function readPublication(
  { member, reader }: StoredMember,
  { clock }: DiskLogOptions,
): Promise<HeldPublication | undefined> {
  const bytes = await reader.body(member);
  const decoded = bytes && (await decodePublication(bytes).catch(() => undefined));
  if (bytes === undefined || decoded === undefined) return undefined;
  // A header has whole seconds: the origin's time is more precise if its clock agrees with this node's.
  const { time } = decoded.publication;
  const published = time >= member.mtime && time < member.mtime + 1000 ? time : member.mtime;
  return { ...decoded, bytes, at: clock.monotonic() - Math.max(0, clock.now() - published) };
}

async function loadScrape(
  origin: string,
  number: number,
  stored: StoredMember | undefined,
  { cache, budget }: DiskLogOptions,
): Promise<void> {
  const gzip = await stored?.reader.body(stored.member);
  if (stored === undefined || gzip === undefined || !budget.take(gzip.length, origin))
    cache.feed(origin)?.giveUp(number);
  else if (cache.addScrape(origin, number, gzip)) {
    stored.segment.scrapes.set(scrapeKey(origin, number), { origin, number });
  }
}
