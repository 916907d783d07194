import { hashText, isBlank, startsWith } from "./bytes.js";
import { labelBits } from "./metric-type.js";
import { escapeQuoted, type FoundSeries, needsQuotes, quote, type Series } from "./series.js";
import { SeriesPattern } from "./series-pattern.js";
import { type AddedLabels, exportedPrefixes, type Insert, places, toInsert } from "./source.js";

/** A label that is renamed: which prefix to insert, and where. */
export interface Rename {
  readonly prefix: Insert;
  /** Index of the preceding label, from the end of whose value `offset` counts; -1: from the start of the series. */
  readonly after: number;
  readonly offset: number;
}

/**
 * How labels are added to all samples with the same metric name and the same label names in the same order. Nearly
 * every sample has the shape of the previous sample, or the shape that followed it last time.
 */
export class SampleShape {
  /** The metric name as a byte string, without quotes and escapes. */
  readonly name: string;
  /** Number of labels. */
  readonly labels: number;
  /** The prefix of each label name; mostly empty. */
  readonly prefixes: readonly string[];
  /** Which labels of labelBits the samples have, after renaming. */
  readonly bits: number;
  /** Where labels are added, as in `places`. */
  readonly place: number;
  /** Offset of that place from the start of a series spelled as by writeSeries. */
  readonly offset: number;
  readonly nameHash: number;
  /** Hash seed for each label value. */
  readonly seeds: readonly number[];
  /** A series without labels: the name. */
  readonly literal: string;
  /** A series with labels: the most recent one spelled as by writeSeries. */
  pattern: SeriesPattern | undefined;
  renames: readonly Rename[] = [];
  /** Total length of the prefixes in bytes. */
  readonly renamed: number;
  /** Number of the last source with this shape. */
  usedBy = 0;
  /** The shapes that followed this one. */
  readonly followers = new Followers();

  /** @param salt of the hashes. */
  constructor({ name, labels }: FoundSeries, added: AddedLabels, salt: number) {
    const names = labels.map(([label]) => label);
    this.name = name;
    this.labels = labels.length;
    this.prefixes = exportedPrefixes(names, added.names);
    this.renamed = this.prefixes.reduce((sum, prefix) => sum + prefix.length, 0);
    const final = names.map((label, index) => this.prefixes[index] + label);
    this.bits =
      (final.includes("le") ? labelBits.le : 0) |
      (final.includes("quantile") ? labelBits.quantile : 0) |
      (final.includes(name) ? labelBits.own : 0);
    const quoted = needsQuotes(name);
    this.literal = quoted ? `{${quote(name)}}` : name;
    this.place = quoted ? places.next : labels.length > 0 ? places.first : places.braced;
    this.offset = quoted ? this.literal.length - 1 : name.length + (labels.length > 0 ? 1 : 0);
    this.nameHash = hashText(name, ~salt);
    this.seeds = final.map((label) => hashText(label, salt));
  }

  /** Whether the series at `start` has this shape and can be copied unchanged. Returns the position after it, or -1. */
  match(bytes: Buffer, view: DataView, start: number): number {
    if (this.labels > 0) return this.pattern === undefined ? -1 : this.pattern.match(bytes, view, start);
    const end = start + this.literal.length;
    return startsWith(bytes, start, this.literal) && isBlank(bytes[end]!) ? end : -1;
  }

  /**
   * The hash of the series that matched last, including added labels with the hash `added`. It depends neither on the
   * order nor on the spelling of the labels.
   */
  hash(added: number): number {
    return (this.nameHash + added + (this.pattern?.hash ?? 0)) | 0;
  }

  /** The same hash of a parsed series. */
  hashOf(series: Series, added: number): number {
    const hashes = series.labels.map(([, value], index) => hashText(escapeQuoted(value), this.seeds[index]!));
    return hashes.reduce((sum, hash) => sum + hash, this.nameHash + added) | 0;
  }

  /** Takes a series of this shape as the pattern. It must be spelled as by writeSeries. */
  learn(view: DataView, start: number, { end, bounds }: FoundSeries, hashes: boolean): void {
    if (this.labels === 0) return;
    this.pattern ??= new SeriesPattern(hashes ? this.seeds : undefined);
    this.pattern.learn(view, start, end, bounds, this.labels);
    this.renames = this.prefixes.flatMap((prefix, index) => {
      if (prefix === "") return [];
      const from = index === 0 ? start : bounds[4 * index - 1]!;
      return [{ prefix: toInsert(prefix), after: index - 1, offset: bounds[4 * index]! - from }];
    });
  }
}

/** The last two shapes that followed a shape. They are likely to follow it again. */
export class Followers {
  first: SampleShape | undefined;
  second: SampleShape | undefined;

  add(shape: SampleShape): void {
    if (shape === this.first) return;
    this.second = this.first;
    this.first = shape;
  }
}
