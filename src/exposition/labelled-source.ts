import type { ByteSink } from "./byte-sink.js";
import { Declarations } from "./declarations.js";
import type { DuplicateFinder } from "./duplicate-finder.js";
import type { Format } from "./format.js";
import type { MetadataLine } from "./metadata.js";
import { type MetricType, partsOf } from "./metric-type.js";
import type { CopyListener } from "./sample-copier.js";
import type { SampleShape } from "./sample-shape.js";
import { inSteps, type Steps } from "./steps.js";

/** Consecutive samples with the same name. */
export interface Run {
  readonly name: string;
  /** Position in the sink. */
  readonly start: number;
  end: number;
  samples: number;
  hasExemplars: boolean;
}

/** Metadata and samples found in a source while its samples are copied into a sink. */
export class LabelledSource implements CopyListener {
  /** Names of families and samples, in order of first appearance. */
  readonly names = new Set<string>();
  /** For each sample name, which labels of labelBits all its samples have. */
  readonly bits = new Map<string, number>();
  readonly runs: Run[] = [];
  /** The first duplicate series of each name that has duplicates. */
  readonly duplicates = new Map<string, string>();
  readonly declarations: Declarations;
  private run: Run | undefined;

  constructor(
    from: Format,
    private readonly into: Format,
    private readonly sink: ByteSink,
    private readonly duplicateFinder: DuplicateFinder,
  ) {
    this.declarations = new Declarations(from, into);
  }

  metadata(line: MetadataLine): void {
    this.names.add(this.declarations.add(line));
  }

  enter({ name, bits }: SampleShape): void {
    const known = this.bits.get(name);
    if (known === undefined) this.names.add(name);
    this.bits.set(name, bits & (known ?? bits));
    if (this.run?.name === name) return;
    const start = this.sink.length;
    this.run = { name, start, end: start, samples: 0, hasExemplars: false };
    this.runs.push(this.run);
  }

  sample(start: number, end: number, hash: number, hasExemplar: boolean): void {
    const run = this.run!;
    if (this.duplicateFinder.isDuplicate(start, end, hash)) {
      const { name } = run;
      if (!this.duplicates.has(name)) this.duplicates.set(name, this.duplicateFinder.seriesAt(start));
      this.sink.length = start;
      return;
    }
    run.end = this.sink.length;
    run.samples++;
    if (hasExemplar) run.hasExemplars = true;
  }

  betweenSteps(): Steps<void> {
    return this.duplicateFinder.grow();
  }

  /** The declared types that the samples do not contradict, by family. Type unknown counts as undeclared. */
  *types(): Steps<Map<string, MetricType>> {
    const types = new Map<string, MetricType>();
    yield* inSteps(this.declarations.families, ([family, { type }]) => {
      if (type !== undefined && type !== "unknown" && this.fits(family, type)) types.set(family, type);
    });
    return types;
  }

  /** Whether all samples with this name have these labels, as labelBits. */
  has(name: string, labels: number): boolean {
    return ((this.bits.get(name) ?? 0) & labels) === labels;
  }

  /** Whether the source has samples of this family. */
  hasSamples(family: string, type: MetricType): boolean {
    return partsOf(type, this.into).some(({ suffix }) => this.bits.has(family + suffix));
  }

  private fits(family: string, type: MetricType): boolean {
    const parts = partsOf(type, this.into);
    if (this.bits.has(family) && !parts.some(({ suffix }) => suffix === "")) return false;
    return parts.every(({ suffix, label }) => {
      const name = family + suffix;
      return !this.bits.has(name) || this.has(name, label);
    });
  }
}
