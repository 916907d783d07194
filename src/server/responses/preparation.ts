import { Federation } from "../../exposition/federate.js";
import { contentTypes, type Format } from "../../exposition/format.js";
import { TooManyNamesError } from "../../exposition/labelled-source.js";
import { merge, toText } from "../../exposition/merge.js";
import type { Source } from "../../exposition/source.js";
import type { Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import { CpuLimitError, type CpuTime, limitCpu, type Work } from "../../scheduler.js";
import { GzipCollector } from "./gzip-collector.js";
import type { Omission, OmittedScrapes } from "./omitted-scrapes.js";
import { formatOf, type ScrapeReader } from "./scrape-reader.js";
import type { Resources } from "./work-queue.js";

/** A scrape as part of a response. */
export interface Part {
  readonly scrape: Scrape;
  /** For samples of `/federate` without one, in milliseconds since the epoch. */
  readonly timestamp?: number;
}

/** What a response is made of: one scrape in another format, several merged, or for `/federate`. */
export interface Preparation {
  readonly kind: Format | "federate";
  readonly parts: readonly Part[];
  /** Whether every sample has `job` and `instance`. By default it has `instance` if there are several scrapes. */
  readonly identified?: boolean;
}

/** A response made of scrapes. */
export interface PreparedResponse {
  readonly contentType: string;
  readonly gzip: Buffer;
  /** Uncompressed size of the body in bytes. */
  readonly size: number;
  /** How many of the scrapes could be read. With 0 there is nothing to send. */
  readonly sources: number;
  readonly omissions: readonly Omission[];
  /** Why it could not be prepared, and cannot be from the same scrapes. */
  readonly failure?: string;
}

/** Limits of CPU time in milliseconds. */
export interface CpuLimits {
  /** For one merge or conversion. Thousands of ordinary replicas take one second. */
  readonly merge: number;
  /** For one source of `/federate`, which delays all others. */
  readonly source: number;
}

export const defaultCpuLimits: CpuLimits = { merge: 5000, source: 1000 };
/** A merge needs its scrapes, three times their size for the result, and the compressed result. */
const mergeFactor = 3;
/** Memory for the state of the compression. */
const compressionBytes = 512 * 1024;

/** How much memory a preparation needs at most, except for the compressed bytes of `/federate`. */
export function bytesFor({ kind, parts }: Preparation): number {
  const sizes = parts.map(({ scrape }) => scrape.size);
  const inflated =
    kind === "federate"
      ? sizes.reduce((most, size) => Math.max(most, size), 0)
      : sizes.reduce((sum, size) => sum + size, 0);
  return compressionBytes + (1 + mergeFactor) * inflated;
}

/** What preparations share. */
export interface Preparing {
  readonly reader: ScrapeReader;
  /** Scrapes that take too long for `/federate`. */
  readonly slow: OmittedScrapes;
  readonly limits: CpuLimits;
}

/** Prepares a response in steps. */
export function* prepare(
  preparing: Preparing,
  preparation: Preparation,
  { memory, cpu }: Resources,
): Work<PreparedResponse> {
  const collector = new GzipCollector(memory, bytesFor(preparation));
  try {
    const made =
      preparation.kind === "federate"
        ? yield* federate(preparing, preparation.parts, collector, cpu)
        : yield* mergeAll(preparing, preparation, preparation.kind, collector, cpu);
    return { ...made, gzip: yield* collector.end(), size: collector.size };
  } finally {
    collector.close();
  }
}

type Made = Omit<PreparedResponse, "gzip" | "size">;

/** Merges several scrapes, or converts one. Damaged ones are omitted. */
function* mergeAll(
  { reader, limits }: Preparing,
  { parts, identified = false }: Preparation,
  into: Format,
  collector: GzipCollector,
  cpu: CpuTime,
): Work<Made> {
  const sources: Source[] = [];
  const scrapes: Scrape[] = [];
  for (const { scrape } of parts) {
    const bytes = yield* reader.read(scrape, cpu);
    yield;
    if (bytes === undefined) continue;
    scrapes.push(scrape);
    const instance = ["instance", instanceOf(scrape)] as const;
    const labels = identified ? [["job", scrape.job] as const, instance] : [instance];
    sources.push({ bytes, format: formatOf(scrape), labels });
  }
  const made = { contentType: contentTypes[into], sources: sources.length, omissions: [] };
  if (sources.length === 0) return made;
  try {
    if (parts.length === 1 && !identified) {
      yield* collector.add(yield* limitCpu(toText(sources[0]!.bytes), cpu, limits.merge));
      return made;
    }
    const { bytes, conflicts } = yield* limitCpu(merge(sources, into), cpu, limits.merge);
    yield* collector.add(bytes);
    const omissions = conflicts.map(({ source, family, reason }) => ({
      instance: instanceOf(scrapes[source]!),
      family,
      reason,
    }));
    return { ...made, omissions };
  } catch (error) {
    if (!(error instanceof CpuLimitError || error instanceof TooManyNamesError)) throw error;
    return { ...made, failure: error.message };
  }
}

/** Every sample of all scrapes. Damaged and slow ones are omitted. */
function* federate(
  { reader, slow, limits }: Preparing,
  parts: readonly Part[],
  collector: GzipCollector,
  cpu: CpuTime,
): Work<Made> {
  const federation = new Federation();
  let sources = 0;
  for (const { scrape, timestamp } of parts) {
    if (slow.has(scrape)) continue;
    const bytes = yield* reader.read(scrape, cpu);
    yield;
    if (bytes === undefined) continue;
    const labels = [["job", scrape.job] as const, ["instance", instanceOf(scrape)] as const];
    try {
      const source = { bytes, format: formatOf(scrape), labels, timestamp };
      yield* collector.add(yield* limitCpu(federation.add(source), cpu, limits.source));
      sources++;
    } catch (error) {
      if (!(error instanceof CpuLimitError)) throw error;
      slow.add(scrape, `scrape ${error.message}`);
    }
  }
  return { contentType: contentTypes.text, sources, omissions: [] };
}
