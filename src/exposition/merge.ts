import { ByteSink } from "./byte-sink.js";
import { DuplicateFinder } from "./duplicate-finder.js";
import { FamilyPlan } from "./family-plan.js";
import type { Format } from "./format.js";
import { LabelledSource } from "./labelled-source.js";
import { MergedFamily } from "./merged-family.js";
import { fromByteString } from "./quoted.js";
import { SampleCopier, type Steps } from "./sample-copier.js";
import { AddedLabels, type Source } from "./source.js";

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
  const labelled = yield* copyAll(sources, into, sink);
  const plan = new FamilyPlan(labelled, into);
  const families = new Map<string, MergedFamily>();
  const conflicts: Conflict[] = [];
  for (const [index, source] of labelled.entries()) {
    yield* gather(index, source, plan, families, conflicts, sink);
  }
  const pieces: Buffer[] = [];
  for (const family of families.values()) {
    pieces.push(...family.write(into));
    yield;
  }
  if (into === "openmetrics") pieces.push(Buffer.from("# EOF\n"));
  const samples = [...families.values()].reduce((sum, family) => sum + family.samples, 0);
  return { bytes: Buffer.concat(pieces), samples, conflicts };
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

function* copyAll(sources: readonly Source[], into: Format, sink: ByteSink): Steps<LabelledSource[]> {
  const copier = new SampleCopier(sink, true);
  const added = sources.map(({ labels }) => new AddedLabels(labels));
  const finder = new DuplicateFinder(added, sink);
  const labelled: LabelledSource[] = [];
  for (const [index, { bytes, format }] of sources.entries()) {
    finder.begin();
    const source = new LabelledSource(format, into, sink, finder);
    yield* copier.copy({ bytes, format, into, added: added[index]! }, source);
    labelled.push(source);
  }
  return labelled;
}

/** Adds the samples and metadata of one source to the families. */
function* gather(
  index: number,
  source: LabelledSource,
  plan: FamilyPlan,
  families: Map<string, MergedFamily>,
  conflicts: Conflict[],
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
  const reported = new Set<string>();
  const report = (name: string, reason: string): void => {
    if (!reported.has(name + reason)) {
      conflicts.push({ source: index, family: fromByteString(name), reason });
    }
    reported.add(name + reason);
  };

  const places = new Map([...source.uses.keys()].map((name) => [name, plan.place(index, name)]));
  for (const name of source.names) {
    yield;
    const declaration = source.declarations.families.get(name);
    if (declaration && !declaration.derived && !plan.isOwned(name)) family(name);
    const place = places.get(name);
    if (place === undefined) continue;
    if (place.conflict !== undefined) report(place.family, place.conflict);
    else family(place.family);
    const duplicate = source.duplicates.get(name);
    if (duplicate !== undefined) report(place.family, `duplicate series: ${duplicate}`);
  }
  for (const [name, declaration] of source.declarations.families) families.get(name)?.describe(declaration);
  for (const run of source.runs) {
    yield;
    const place = places.get(run.use.name)!;
    if (place.conflict === undefined && run.samples > 0) family(place.family).add(run);
  }
}
