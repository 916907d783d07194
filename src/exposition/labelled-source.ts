import type { ByteSink } from "./byte-sink.js";
import { Declarations } from "./declarations.js";
import type { DuplicateFinder } from "./duplicate-finder.js";
import type { Format } from "./format.js";
import type { MetadataLine } from "./metadata.js";
import { type MetricType, partsOf } from "./metric-type.js";
import type { CopyListener, Entered } from "./sample-copier.js";
import { inSteps, type Steps } from "./steps.js";

/** A limit for one source, and for the families of a merge. A table of more names would grow in steps of many milliseconds. */
export const maxNames = 100_000;

/** A source, or a merge, has more names than maxNames. */
export class TooManyNamesError extends Error {
  constructor() {
    super(`more than ${maxNames} metric names`);
    this.name = "TooManyNamesError";
  }
}

/** The name of a family or of samples. */
export interface Name {
  readonly name: string;
  /** Which labels of labelBits all samples have; undefined if there are no samples. */
  bits: number | undefined;
  /** The first duplicate series. */
  duplicate: string | undefined;
}

/** Consecutive samples with the same name. */
export interface Run {
  readonly of: Name;
  /** Position in the sink. */
  readonly start: number;
  end: number;
  samples: number;
  hasExemplars: boolean;
}

/** Metadata and samples found in a source while its samples are copied into a sink. */
export class LabelledSource implements CopyListener {
  /** Names of families and samples, in order of first appearance. */
  readonly names = new Map<string, Name>();
  readonly runs: Run[] = [];
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
    this.find(this.declarations.add(line));
  }

  enter({ name, bits }: Entered): void {
    const of = this.run?.of.name === name ? this.run.of : this.find(name);
    of.bits = of.bits === undefined ? bits : of.bits & bits;
    if (this.run?.of === of) return;
    const start = this.sink.length;
    this.run = { of, start, end: start, samples: 0, hasExemplars: false };
    this.runs.push(this.run);
  }

  sample(start: number, end: number, hash: number, hasExemplar: boolean): void {
    const run = this.run!;
    if (this.duplicateFinder.isDuplicate(start, end, hash)) {
      run.of.duplicate ??= this.duplicateFinder.seriesAt(start);
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
    return labels === 0 || ((this.names.get(name)?.bits ?? 0) & labels) === labels;
  }

  /** Whether the source has samples of this family. */
  hasSamples(family: string, type: MetricType): boolean {
    return partsOf(type, this.into).some(({ suffix }) => this.hasSamplesNamed(family + suffix));
  }

  private fits(family: string, type: MetricType): boolean {
    const parts = partsOf(type, this.into);
    if (this.hasSamplesNamed(family) && !parts.some(({ suffix }) => suffix === "")) return false;
    return parts.every(({ suffix, label }) => {
      const name = family + suffix;
      return label === 0 || !this.hasSamplesNamed(name) || this.has(name, label);
    });
  }

  private hasSamplesNamed(name: string): boolean {
    return this.names.get(name)?.bits !== undefined;
  }

  private find(name: string): Name {
    let found = this.names.get(name);
    if (found === undefined) {
      if (this.names.size === maxNames) throw new TooManyNamesError();
      found = { name, bits: undefined, duplicate: undefined };
      this.names.set(name, found);
    }
    return found;
  }
}
