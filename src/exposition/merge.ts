import { ByteSink } from "./byte-sink.js";
import { viewOf } from "./bytes.js";
import type { Declaration } from "./declarations.js";
import { DuplicateFinder } from "./duplicate-finder.js";
import { FamilyPlan } from "./family-plan.js";
import type { Format } from "./format.js";
import { LabelledSource, maxNames, type Name, type Run, TooManyNamesError } from "./labelled-source.js";
import { type Metadata, writeMetadata } from "./metadata.js";
import type { MetricType } from "./metric-type.js";
import { SampleCopier } from "./sample-copier.js";
import { SampleTail } from "./sample-tail.js";
import { fromByteString } from "./series.js";
import { SeriesReader } from "./series-reader.js";
import type { Source } from "./source.js";
import { inSteps, type Steps } from "./steps.js";

/** Bytes that are copied to the result per step. */
const bytesPerStep = 256 * 1024;
/** A piece takes as much time as so many bytes. */
const pieceCost = 1024;
/** From this length on, a native copy is faster. */
const longPiece = 256;
/** Bytes of samples with exemplars per step. */
const copiedPerStep = 4096;

/** Samples of a source that the merged exposition does not contain. */
export interface Conflict {
  /** Index of the source. */
  readonly source: number;
  readonly family: string;
  /** The cause, for log messages. */
  readonly reason: string;
}

/** The result of a merge. */
export interface Merged {
  /** Valid for Prometheus and for stricter parsers. */
  readonly bytes: Buffer;
  readonly samples: number;
  /** What was left out; one entry per source, family and reason. */
  readonly conflicts: readonly Conflict[];
}

/**
 * Merges expositions: each family is contiguous, with its metadata once, and each sample has the labels of its source.
 * Families are in order of first appearance, their samples in the order of the sources, so the same input produces the
 * same output.
 *
 * Families whose type contradicts an earlier source (see FamilyPlan) and duplicate series are left out and reported as
 * conflicts. Every other sample is kept. A sample that strict parsers would reject is rewritten.
 *
 * Needs about three times as much memory as the result.
 *
 * @throws TooManyNamesError if there are more names than maxNames.
 * @throws RangeError if a source in the text format is to become OpenMetrics: the text format lacks information for it.
 */
export function* merge(sources: readonly Source[], into: Format): Steps<Merged> {
  if (into === "openmetrics" && sources.some(({ format }) => format === "text")) {
    throw new RangeError("cannot convert the text format to OpenMetrics");
  }
  const sink = new ByteSink(1.5 * sources.reduce((sum, { bytes }) => sum + bytes.length, 0));
  const copier = new SampleCopier(sink, into, true);
  const finder = new DuplicateFinder(sources, sink);
  const labelled: LabelledSource[] = [];
  for (const source of sources) {
    finder.begin();
    const found = new LabelledSource(source.format, into, sink, finder);
    yield* copier.copy(source, found);
    labelled.push(found);
  }
  const plan = yield* FamilyPlan.create(labelled, into);
  const families = new Map<string, MergedFamily>();
  const conflicts = new Map<string, Conflict>();
  for (const [index, source] of labelled.entries()) {
    yield* gather(index, source, plan, families, conflicts, sink);
  }
  const written = yield* writeFamilies(families, sink, into);
  return { ...written, conflicts: [...conflicts.values()] };
}

/** Writes all families to a buffer of exactly the necessary size. */
function* writeFamilies(
  families: ReadonlyMap<string, MergedFamily>,
  sink: ByteSink,
  into: Format,
): Steps<{ bytes: Buffer; samples: number }> {
  const end = into === "openmetrics" ? "# EOF\n" : "";
  let length = end.length;
  let samples = 0;
  yield* inSteps(families.values(), (family) => {
    length += family.close(into);
    samples += family.samples;
  });
  const out = new ByteSink(length + 8);
  const from = viewOf(sink.bytes);
  let cost = 0;
  for (const { metadata, ranges } of families.values()) {
    if (metadata !== "") out.write(metadata);
    cost += metadata.length + pieceCost;
    for (let index = 0; index < ranges.length; index += 2) {
      const stop = ranges[index + 1]!;
      for (let pos = ranges[index]!; pos < stop; pos += bytesPerStep) {
        const to = Math.min(pos + bytesPerStep, stop);
        if (to - pos > longPiece) out.append(sink.bytes.subarray(pos, to));
        else out.copy(from, pos, to);
        cost += to - pos + pieceCost;
        if (cost < bytesPerStep) continue;
        cost = 0;
        yield;
      }
    }
    if (cost < bytesPerStep) continue;
    cost = 0;
    yield;
  }
  out.write(end);
  return { bytes: out.written(), samples };
}

/**
 * Converts valid OpenMetrics to the text format 0.0.4, like Prometheus' Python client. Every sample keeps its name. A
 * counter `x` becomes the counter `x_total`; `x_created`, `x_gsum`, `x_gcount`, info and stateset become gauges; a
 * gaugehistogram becomes a histogram. Timestamps become milliseconds. Exemplars and units are dropped. Of duplicate
 * series, the first is kept.
 */
export function* toText(bytes: Buffer): Steps<Buffer> {
  return (yield* merge([{ bytes, format: "openmetrics", labels: [] }], "text")).bytes;
}

/** Adds the samples and metadata of one source to the families. */
function* gather(
  index: number,
  source: LabelledSource,
  plan: FamilyPlan,
  families: Map<string, MergedFamily>,
  conflicts: Map<string, Conflict>,
  sink: ByteSink,
): Steps<void> {
  const family = (name: string): MergedFamily => {
    let found = families.get(name);
    if (found === undefined) {
      if (families.size === maxNames) throw new TooManyNamesError();
      found = new MergedFamily(name, plan.types.get(name), sink);
      families.set(name, found);
    }
    return found;
  };
  const report = (name: string, reason: string): void => {
    const conflict = { source: index, family: fromByteString(name), reason };
    conflicts.set(JSON.stringify(conflict), conflict);
  };

  const targets = new Map<Name, MergedFamily>();
  yield* inSteps(source.names.values(), (found) => {
    const { name } = found;
    const declaration = source.declarations.families.get(name);
    if (declaration && !declaration.derived && !plan.isOwned(name)) family(name);
    if (found.bits === undefined) return;
    const place = plan.place(index, name);
    if (place.conflict !== undefined) report(place.family, place.conflict);
    else targets.set(found, family(place.family));
    if (found.duplicate !== undefined) report(place.family, `duplicate series: ${found.duplicate}`);
  });
  yield* inSteps(source.declarations.families, ([name, declaration]) =>
    families.get(name)?.describe(declaration),
  );
  let count = 0;
  for (const run of source.runs) {
    if (++count % 100 === 0) yield;
    const target = targets.get(run.of);
    if (target === undefined || run.samples === 0) continue;
    if (target.forbidsExemplarsOf(run)) yield* target.addWithoutExemplars(run);
    else target.add(run);
  }
}

/** A family of the merged exposition, with the samples of all sources. */
class MergedFamily {
  samples = 0;
  /** Bounds of the samples in the sink: start and end of each range. */
  readonly ranges: number[] = [];
  /** The metadata lines, once the family is closed. */
  metadata = "";
  private declared: Metadata | undefined;

  constructor(
    private readonly name: string,
    /** Undefined if no source declares a valid one. */
    private readonly type: MetricType | undefined,
    private readonly sink: ByteSink,
  ) {}

  /** Adopts help and unit of a source, unless they are known or the source declares another type. */
  describe({ type, metadata }: Declaration): void {
    if (type !== undefined && type !== "unknown" && this.type !== undefined && type !== this.type) return;
    this.declared ??= {};
    if (type === "unknown") this.declared.type = type;
    this.declared.help ??= metadata.help;
    this.declared.unit ??= metadata.unit;
  }

  /** Adds samples from the sink. */
  add(run: Run): void {
    this.samples += run.samples;
    this.addRange(run.start, run.end);
  }

  /** Completes the metadata. Returns the length of the family in bytes. */
  close(format: Format): number {
    const { declared, ranges, type } = this;
    if (declared !== undefined || type !== undefined)
      this.metadata = writeMetadata(this.name, { ...declared, type: type ?? declared?.type }, format);
    let { length } = this.metadata;
    for (let index = 0; index < ranges.length; index += 2) length += ranges[index + 1]! - ranges[index]!;
    return length;
  }

  forbidsExemplarsOf({ hasExemplars, of }: Run): boolean {
    return hasExemplars && !mayHaveExemplars(of.name, this.type);
  }

  /** Adds OpenMetrics samples without their exemplars, which are written to the end of the sink. */
  *addWithoutExemplars({ start, end, samples }: Run): Steps<void> {
    this.samples += samples;
    const { sink } = this;
    const tail = new SampleTail();
    const series = new SeriesReader();
    const from = sink.length;
    let view = viewOf(sink.bytes);
    let copied = 0;
    for (let pos = start; pos < end; pos = tail.lineEnd + 1) {
      const { bytes } = sink;
      series.read(bytes, view, pos, "openmetrics");
      tail.read(bytes, series.end);
      sink.append(bytes.subarray(pos, tail.timeEnd || tail.valueEnd));
      sink.write("\n");
      copied += tail.lineEnd - pos;
      if (copied < copiedPerStep) continue;
      copied = 0;
      yield;
      if (sink.isNearlyFull) yield* sink.grow();
      view = viewOf(sink.bytes);
    }
    this.addRange(from, sink.length);
  }

  private addRange(start: number, end: number): void {
    const { ranges } = this;
    if (start === ranges.at(-1)) ranges[ranges.length - 1] = end;
    else ranges.push(start, end);
  }
}

/** Whether OpenMetrics allows exemplars on samples with this name in a family of this type. */
function mayHaveExemplars(name: string, type: MetricType | undefined): boolean {
  if (type === "counter") return name.endsWith("_total");
  return (type === "histogram" || type === "gaugehistogram") && name.endsWith("_bucket");
}
