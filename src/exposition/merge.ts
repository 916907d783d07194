import { ByteSink } from "./byte-sink.js";
import type { Declaration } from "./declarations.js";
import { DuplicateFinder } from "./duplicate-finder.js";
import { FamilyPlan, type Place } from "./family-plan.js";
import type { Format } from "./format.js";
import { LabelledSource, type Run } from "./labelled-source.js";
import { type Metadata, writeMetadata } from "./metadata.js";
import type { MetricType } from "./metric-type.js";
import { SampleCopier } from "./sample-copier.js";
import { SampleTail } from "./sample-tail.js";
import { fromByteString, readSeries } from "./series.js";
import type { Source } from "./source.js";
import { concatInSteps, inSteps, type Steps } from "./steps.js";

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
  const pieces: Buffer[] = [];
  let length = 0;
  let samples = 0;
  const add = (piece: Buffer): void => {
    pieces.push(piece);
    length += piece.length;
  };
  for (const family of families.values()) {
    yield* inSteps(family.write(into), add);
    samples += family.samples;
    yield;
  }
  if (into === "openmetrics") add(Buffer.from("# EOF\n"));
  const bytes = yield* concatInSteps(pieces, length);
  return { bytes, samples, conflicts: [...conflicts.values()] };
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
      found = new MergedFamily(name, plan.types.get(name), sink);
      families.set(name, found);
    }
    return found;
  };
  const report = (name: string, reason: string): void => {
    const conflict = { source: index, family: fromByteString(name), reason };
    conflicts.set(JSON.stringify(conflict), conflict);
  };

  const places = new Map<string, Place>();
  for (const name of source.names) {
    yield;
    const declaration = source.declarations.families.get(name);
    if (declaration && !declaration.derived && !plan.isOwned(name)) family(name);
    if (!source.bits.has(name)) continue;
    const place = plan.place(index, name);
    places.set(name, place);
    if (place.conflict !== undefined) report(place.family, place.conflict);
    else family(place.family);
    const duplicate = source.duplicates.get(name);
    if (duplicate !== undefined) report(place.family, `duplicate series: ${duplicate}`);
  }
  yield* inSteps(source.declarations.families, ([name, declaration]) =>
    families.get(name)?.describe(declaration),
  );
  for (const run of source.runs) {
    yield;
    const place = places.get(run.name)!;
    if (place.conflict !== undefined || run.samples === 0) continue;
    const target = family(place.family);
    if (target.forbidsExemplarsOf(run)) yield* target.addWithoutExemplars(run);
    else target.add(run);
  }
}

/** A family of the merged exposition, with the samples of all sources. */
class MergedFamily {
  samples = 0;
  private readonly metadata: Metadata = {};
  private readonly pieces: Buffer[] = [];
  /** Bounds of the current piece, which the next samples may extend. */
  private start = 0;
  private end = 0;

  constructor(
    private readonly name: string,
    /** Undefined if no source declares a valid one. */
    private readonly type: MetricType | undefined,
    private readonly sink: ByteSink,
  ) {}

  /** Adopts help and unit of a source, unless they are known or the source declares another type. */
  describe({ type, metadata }: Declaration): void {
    if (type !== undefined && type !== "unknown" && this.type !== undefined && type !== this.type) return;
    if (type === "unknown") this.metadata.type = type;
    this.metadata.help ??= metadata.help;
    this.metadata.unit ??= metadata.unit;
  }

  /** Adds samples from the sink, which must not change afterwards. */
  add(run: Run): void {
    this.samples += run.samples;
    if (run.start === this.end) {
      this.end = run.end;
    } else {
      this.cut();
      this.start = run.start;
      this.end = run.end;
    }
  }

  /** Writes metadata and samples. Returns them in pieces. */
  write(format: Format): Buffer[] {
    this.cut();
    const metadata = { ...this.metadata, type: this.type ?? this.metadata.type };
    return [Buffer.from(writeMetadata(this.name, metadata, format), "latin1"), ...this.pieces];
  }

  forbidsExemplarsOf({ hasExemplars, name }: Run): boolean {
    return hasExemplars && !mayHaveExemplars(name, this.type);
  }

  /** Adds OpenMetrics samples without their exemplars. */
  *addWithoutExemplars({ start, end, samples }: Run): Steps<void> {
    this.samples += samples;
    this.cut();
    const { bytes } = this.sink;
    const tail = new SampleTail();
    const kept = new ByteSink(end - start);
    for (let pos = start; pos < end; pos = tail.lineEnd + 1) {
      tail.read(bytes, readSeries(bytes, pos).end);
      kept.append(bytes.subarray(pos, tail.timeEnd || tail.valueEnd));
      kept.write("\n");
      yield;
    }
    this.pieces.push(kept.written());
  }

  private cut(): void {
    if (this.end > this.start) this.pieces.push(this.sink.bytes.subarray(this.start, this.end));
    this.start = this.end;
  }
}

/** Whether OpenMetrics allows exemplars on samples with this name in a family of this type. */
function mayHaveExemplars(name: string, type: MetricType | undefined): boolean {
  if (type === "counter") return name.endsWith("_total");
  return (type === "histogram" || type === "gaugehistogram") && name.endsWith("_bucket");
}
