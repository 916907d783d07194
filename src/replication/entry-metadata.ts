import { z } from "zod";
import { formatOfContentType } from "../exposition/format.js";
import { isEncodableSegment } from "../model/path-segment.js";
import type { Scrape } from "../model/scrape.js";
import type { Section } from "./messages.js";
import { PeerError } from "./peer-error.js";

/*
 * What is said of an entry beside its bytes. It is checked as strictly as what comes from a stranger, since names
 * become paths and labels, and the content type a header.
 */
const name = z.string().refine(isEncodableSegment);
const plainText = (length: number) =>
  z
    .string()
    .max(length)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u);
const count = z.int().nonnegative();
/** A moment that a Date can hold. */
const moment = z.number().nonnegative().max(8.64e15);

const metadataSchema = z.object({
  id: plainText(500).min(1),
  names: z.array(name).min(1).max(8),
  job: name,
  replica: name,
  scope: z.enum(["replicated", "global", "local"]),
  stack: plainText(300).optional(),
  contentType: z
    .string()
    .max(300)
    .regex(/^[\x20-\x7e]+$/)
    .refine((type) => formatOfContentType(type) !== undefined),
  size: count,
  samples: z.int().positive(),
  url: plainText(4000),
  scrapedAt: moment,
  /** Milliseconds since the scrape, when this was written. */
  age: z.number().nonnegative().max(32e12),
  duration: z.number().nonnegative().max(1e6),
  startedAt: moment,
  sequence: z.int().positive(),
  gzipBytes: z.int().positive(),
});
export type EntryMetadata = z.infer<typeof metadataSchema>;

/*
 * Both ways field by field: with spreads and rests each took ten times as long, in every cycle for every entry.
 */

/** @param monotonic now: the age is counted up to here. */
export function metadataOf(entry: Scrape, monotonic: number): EntryMetadata {
  const { stack } = entry;
  return {
    id: entry.id,
    names: entry.names as string[],
    job: entry.job,
    replica: entry.replica,
    scope: entry.scope,
    ...(stack === undefined ? {} : { stack }),
    contentType: entry.contentType,
    size: entry.size,
    samples: entry.samples,
    url: entry.url,
    scrapedAt: entry.scrapedAt,
    age: Math.max(0, Math.round(monotonic - entry.measuredAt)),
    duration: entry.duration,
    startedAt: entry.startedAt,
    sequence: entry.sequence,
    gzipBytes: entry.gzip.length,
  };
}

/** Far more than anybody puts into one batch. */
const mostEntries = 1024;

/**
 * @param raw what was received.
 * @throws PeerError `invalid_entry`, or `limit` where there are too many.
 */
export function readMetadata(raw: unknown): EntryMetadata[] {
  if (Array.isArray(raw) && raw.length > mostEntries) {
    throw new PeerError("limit", `it sends ${raw.length} entries in a batch`);
  }
  const checked = z.array(metadataSchema).min(1).safeParse(raw);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new PeerError(
    "invalid_entry",
    `it sends an entry whose ${issue?.path.slice(1).join(".")} cannot be used`,
  );
}

/** An entry of the section's origin, as this node keeps it. @param monotonic when it was received. */
export function entryFrom(
  metadata: EntryMetadata,
  gzip: Buffer,
  { origin, epoch }: Pick<Section, "origin" | "epoch">,
  monotonic: number,
): Scrape {
  const { stack, sequence } = metadata;
  return {
    id: metadata.id,
    names: metadata.names,
    job: metadata.job,
    replica: metadata.replica,
    scope: metadata.scope,
    ...(stack === undefined ? {} : { stack }),
    origin,
    gzip,
    contentType: metadata.contentType,
    size: metadata.size,
    samples: metadata.samples,
    url: metadata.url,
    scrapedAt: metadata.scrapedAt,
    duration: metadata.duration,
    startedAt: metadata.startedAt,
    measuredAt: monotonic - metadata.age,
    epoch,
    sequence,
    renewed: sequence,
  };
}
