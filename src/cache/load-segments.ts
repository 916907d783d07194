import { scrapeKey } from "../archive/members.js";
import { decodePublication, maxPublicationBytes } from "../archive/publication-json.js";
import { describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import type { MemoryBudget } from "../memory-budget.js";
import type { Clock } from "../model/clock.js";
import type { Cache } from "./cache.js";
import type { HeldPublication } from "./feed.js";
import { type SegmentMember, SegmentReader } from "./segment.js";

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
  readonly scrapes: Map<string, { readonly origin: string; readonly number: number }>;
  readonly documents: HeldPublication[];
}

interface StoredScrape {
  readonly member: SegmentMember;
  readonly reader: SegmentReader;
  readonly segment: Segment;
}

export function emptySegment(path: string, openedAt: number): Segment {
  return { path, openedAt, lastBatch: Number.NEGATIVE_INFINITY, scrapes: new Map(), documents: [] };
}

/**
 * Loads the segments of an earlier process into the cache. Skips files, publications and scrapes that cannot be read:
 * scans and peers replace them.
 *
 * @throws system errors.
 */
export async function loadSegments(paths: readonly string[], options: DiskLogOptions): Promise<Segment[]> {
  const { cache, clock, maxScrapeBytes } = options;
  const segments: Segment[] = [];
  const publications: { readonly held: HeldPublication; readonly segment: Segment }[] = [];
  const scrapes = new Map<string, StoredScrape>();
  const readers: SegmentReader[] = [];
  try {
    for (const path of paths) {
      const segment = emptySegment(path, clock.monotonic());
      segments.push(segment);
      const reader = await openReader(path, options);
      if (reader === undefined) continue;
      readers.push(reader);
      for (const member of await reader.members(Math.max(maxScrapeBytes, maxPublicationBytes))) {
        const { kind, origin, number } = member;
        if (kind === undefined) scrapes.set(scrapeKey(origin, number), { member, reader, segment });
        const held = kind && (await readPublication(member, reader, options));
        if (held !== undefined) publications.push({ held, segment });
      }
    }
    publications.sort((a, b) => a.held.publication.number - b.held.publication.number);
    for (const { held, segment } of publications) {
      if (held.publication.kind !== "batch") segment.documents.push(held);
      else segment.lastBatch = Math.max(segment.lastBatch, held.at);
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

async function openReader(path: string, { logger }: DiskLogOptions): Promise<SegmentReader | undefined> {
  try {
    return await SegmentReader.open(path);
  } catch (error) {
    logger.warn("cache file skipped", { file: path, error: describeError(error) });
    return undefined;
  }
}

async function readPublication(
  member: SegmentMember,
  reader: SegmentReader,
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
  stored: StoredScrape | undefined,
  { cache, budget }: DiskLogOptions,
): Promise<void> {
  const gzip = await stored?.reader.body(stored.member);
  if (stored === undefined || gzip === undefined || !budget.take(gzip.length))
    cache.feed(origin)?.giveUp(number);
  else if (cache.addScrape(origin, number, gzip)) {
    stored.segment.scrapes.set(scrapeKey(origin, number), { origin, number });
  }
}
