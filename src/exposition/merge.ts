import { ByteSink } from "./byte-sink.js";
import { DuplicateFinder } from "./duplicate-finder.js";
import { FamilyPlan } from "./family-plan.js";
import type { Format } from "./format.js";
import { LabelledSource } from "./labelled-source.js";
import { MergedFamily } from "./merged-family.js";
import { PutLabels } from "./put-labels.js";
import { fromByteString } from "./quoted.js";
import { SampleCopier } from "./sample-copier.js";
import type { Source } from "./source.js";
import type { Steps } from "./steps.js";

/** Something that a source has and that is not in the answer. */
export interface Conflict {
  /** The index of the source. */
  readonly source: number;
  readonly family: string;
  /** Why, in words for people. */
  readonly reason: string;
}

/** One exposition made of several. */
export interface Merged {
  /** It is valid for Prometheus, and for parsers that are stricter. */
  readonly bytes: Buffer;
  readonly samples: number;
  /** What was left out; at most one of a kind for each source and family. */
  readonly conflicts: readonly Conflict[];
}

/**
 * Makes one exposition of several: each family in one piece, said once, each sample with the labels of its source.
 * The same sources in the same order make the same answer: families come in the order in which they came first,
 * their samples in the order of the sources.
 *
 * Left out, and told, are families whose type contradicts that of a source before (see FamilyPlan), and series that
 * are there already. All else is kept: a sample that one parser takes and another does not is spelled anew.
 *
 * The memory that it takes is about three times that of the answer.
 *
 * @throws RangeError where a source in the text format is to become OpenMetrics: text does not say enough.
 */
export function* merge(sources: readonly Source[], into: Format): Steps<Merged> {
  if (into === "openmetrics" && sources.some(({ format }) => format === "text")) {
    throw new RangeError("an exposition in the text format cannot become OpenMetrics");
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

function* copyAll(sources: readonly Source[], into: Format, sink: ByteSink): Steps<LabelledSource[]> {
  const copier = new SampleCopier(sink, true);
  const finder = new DuplicateFinder(sources, sink);
  const labelled: LabelledSource[] = [];
  for (const [index, { bytes, format, labels }] of sources.entries()) {
    finder.begin(index);
    const source = new LabelledSource(format, into, sink, finder);
    yield* copier.copy({ bytes, format, into, put: new PutLabels(labels) }, source);
    labelled.push(source);
  }
  return labelled;
}

/** Adds what one source has to the families. */
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
  const told = new Set<string>();
  const tell = (name: string, reason: string): void => {
    if (!told.has(name + reason)) conflicts.push({ source: index, family: fromByteString(name), reason });
    told.add(name + reason);
  };

  const places = new Map([...source.uses.keys()].map((name) => [name, plan.place(index, name)]));
  for (const name of source.names) {
    yield;
    const declaration = source.declarations.families.get(name);
    if (declaration && !declaration.derived && !plan.isOwned(name)) family(name);
    const place = places.get(name);
    if (place === undefined) continue;
    if (place.misfit !== undefined) tell(place.family, place.misfit);
    else family(place.family);
    const duplicate = source.duplicates.get(name);
    if (duplicate !== undefined) tell(place.family, `a series that is there already: ${duplicate}`);
  }
  for (const [name, declaration] of source.declarations.families) families.get(name)?.describe(declaration);
  for (const run of source.runs) {
    yield;
    const place = places.get(run.use.name)!;
    if (place.misfit === undefined && run.samples > 0) family(place.family).add(run);
  }
}
