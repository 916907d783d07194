import { Federation } from "../../exposition/federate.js";
import { contentTypes, type Format } from "../../exposition/format.js";
import { TooManyNamesError } from "../../exposition/labelled-source.js";
import { merge, toText } from "../../exposition/merge.js";
import type { Source } from "../../exposition/source.js";
import type { Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import { CpuLimitError, type CpuTime, limitCpu, type Work } from "../../scheduler.js";
import type { FederatedAttempt } from "./attempt-history.js";
import { GzipCollector } from "./gzip-collector.js";
import type { Omission, OmittedScrapes } from "./omitted-scrapes.js";
import { formatOf, type ScrapeReader } from "./scrape-reader.js";
import type { Resources } from "./work-queue.js";

/** A scrape as part of a response. */
export interface Part {
  readonly scrape: Scrape;
}

/** A response made of one scrape in another format, or of several merged ones. */
export interface Merging {
  readonly kind: Format;
  readonly parts: readonly Part[];
  /** Whether every sample has `job` and `instance`. By default it has `instance` if there are several scrapes. */
  readonly identified?: boolean;
}

/** A response of `/federate`. */
export interface Federating {
  readonly kind: "federate";
  readonly parts: readonly FederatedAttempt[];
  /** OpenMetrics only if all scrapes are OpenMetrics. */
  readonly into: Format;
  /** Distinguishes responses that are made of the same targets. */
  readonly variant: string;
}

export type Preparation = Merging | Federating;

/** A response made of scrapes. */
export interface PreparedResponse {
  readonly contentType: string;
  readonly gzip: Buffer;
  /** Uncompressed size of the body in bytes. */
  readonly size: number;
  /** How many of the scrapes could be read. With 0 there is nothing to send. */
  readonly sources: number;
  readonly omissions: readonly Omission[];
  /** How many attempts of the history were omitted. */
  readonly omittedHistory: number;
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
/** Uncompressed bytes of the history in a response, which take some seconds of CPU time. */
const maxHistoryBytes = 512 * 1024 * 1024;
/** The compressed result is needed twice when it is joined, and it has more labels than the scrapes. */
const compressedFactor = 3;
/** Compressed bytes of the metrics about one scrape, at most. */
const reportBytes = 200;

/** How much memory a preparation needs at most, except for the compressed bytes of `/federate`. */
export function bytesFor({ kind, parts }: Pick<Preparation, "kind" | "parts">): number {
  const sizes = parts.map(({ scrape }) => scrape?.size ?? 0);
  const inflated =
    kind === "federate"
      ? sizes.reduce((most, size) => Math.max(most, size), 0)
      : sizes.reduce((sum, size) => sum + size, 0);
  return compressionBytes + (1 + mergeFactor) * inflated;
}

/**
 * Removes the oldest attempts of the history if all of it is too large for a response.
 *
 * @param fits whether work that needs so much memory can run.
 */
export function withFittingHistory(
  parts: readonly FederatedAttempt[],
  fits: (bytes: number) => boolean,
): readonly FederatedAttempt[] {
  const compressed = ({ scrape }: FederatedAttempt) =>
    reportBytes + compressedFactor * (scrape?.gzip.length ?? 0);
  const newest = parts.filter(({ isHistory }) => !isHistory);
  const history = parts
    .filter(({ isHistory }) => isHistory)
    .sort((one, other) => other.measuredAt - one.measuredAt);
  let bytes = newest.reduce((sum, part) => sum + compressed(part), bytesFor({ kind: "federate", parts }));
  let inflated = 0;
  const tooMuch = history.findIndex((part) => {
    bytes += compressed(part);
    inflated += part.scrape?.size ?? 0;
    return inflated > maxHistoryBytes || !fits(bytes);
  });
  if (tooMuch < 0) return parts;
  const omitted = new Set(history.slice(tooMuch));
  return parts.filter((part) => !omitted.has(part));
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
        ? yield* federate(preparing, preparation, collector, cpu)
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
  { parts, identified = false }: Merging,
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
  const made = { contentType: contentTypes[into], sources: sources.length, omissions: [], omittedHistory: 0 };
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

/** Every sample of all attempts, and the metrics about scrapes. Damaged and slow scrapes are omitted. */
function* federate(
  { reader, slow, limits }: Preparing,
  { parts, into }: Federating,
  collector: GzipCollector,
  cpu: CpuTime,
): Work<Made> {
  const federation = new Federation(into);
  const reports = parts
    .filter(({ isReported }) => isReported)
    .map((part) => ({ ...part, labels: labelsOf(part), timestamp: part.scrapedAt }));
  yield* collector.add(yield* federation.report(reports));
  let [sources, omittedHistory] = [0, 0];
  const time = new HistoryTime(limits.source, cpu);
  /** Successive attempts with the same bytes are read once. */
  let read: { readonly gzip: Buffer; readonly bytes: Buffer | undefined } | undefined;
  for (const [index, part] of parts.entries()) {
    const { scrape, scrapedAt: timestamp } = part;
    if (scrape === undefined || slow.has(scrape)) continue;
    if (!time.allows(parts, index)) {
      omittedHistory++;
      continue;
    }
    if (read?.gzip !== scrape.gzip) {
      read = { gzip: scrape.gzip, bytes: yield* reader.read(scrape, cpu) };
      yield;
    }
    if (read.bytes === undefined) continue;
    try {
      const source = { bytes: read.bytes, format: formatOf(scrape), labels: labelsOf(part), timestamp };
      yield* collector.add(yield* limitCpu(federation.add(source), cpu, limits.source));
      sources++;
    } catch (error) {
      if (!(error instanceof CpuLimitError)) throw error;
      slow.add(scrape, `scrape ${error.message}`);
    }
  }
  yield* collector.add(federation.end());
  return { contentType: contentTypes[into], sources, omissions: [], omittedHistory };
}

function labelsOf(identity: Pick<Scrape, "job" | "replica">): Source["labels"] {
  return [
    ["job", identity.job],
    ["instance", instanceOf(identity)],
  ];
}

/** Limits the CPU time of the history of each instance: as much as for one source. */
class HistoryTime {
  #end = 0;
  #begun = 0;
  #spent = 0;
  #costliest = 0;

  constructor(
    private readonly limit: number,
    private readonly cpu: CpuTime,
  ) {}

  /** Whether there is time for the attempt at `index`, and then for the younger ones of its instance. */
  allows(parts: readonly FederatedAttempt[], index: number): boolean {
    const { job, replica, isHistory } = parts[index]!;
    if (index >= this.#end) {
      this.#end = index + 1;
      while (parts[this.#end]?.job === job && parts[this.#end]?.replica === replica) this.#end++;
      this.#begun = this.cpu.spent;
      this.#costliest = 0;
    } else {
      this.#costliest = Math.max(this.#costliest, this.cpu.spent - this.#spent);
    }
    this.#spent = this.cpu.spent;
    const left = this.limit - (this.cpu.spent - this.#begun);
    return !isHistory || this.#costliest * (this.#end - index) <= left;
  }
}
