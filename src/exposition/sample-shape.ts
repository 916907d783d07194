import { hashText, isBlank, startsWith } from "./bytes.js";
import { labelBits } from "./metric-type.js";
import { escapeQuoted, quote } from "./series.js";
import { SeriesPattern } from "./series-pattern.js";
import type { SeriesReader } from "./series-reader.js";
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
  /** The names of the labels, with escapes. */
  private readonly labelNames: readonly string[];
  /** The prefix of each label name; mostly empty. */
  private readonly prefixes: readonly string[];
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
  constructor(series: SeriesReader, added: AddedLabels, salt: number) {
    const name = series.name();
    const names = series.labelNames();
    this.name = name;
    this.labels = names.length;
    this.labelNames = names.map(escapeQuoted);
    this.prefixes = exportedPrefixes(names, added.names);
    this.renamed = this.prefixes.reduce((sum, prefix) => sum + prefix.length, 0);
    const final = names.map((label, index) => this.prefixes[index] + label);
    this.bits =
      (final.includes("le") ? labelBits.le : 0) |
      (final.includes("quantile") ? labelBits.quantile : 0) |
      (final.includes(name) ? labelBits.own : 0);
    this.literal = series.quoted ? `{${quote(name)}}` : name;
    this.place = placeIn(series);
    this.offset = offsetIn(series);
    this.nameHash = hashText(escapeQuoted(name), ~salt);
    this.seeds = final.map((label) => hashText(escapeQuoted(label), salt));
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

  /** Whether the series has this metric name and these label names. */
  includes(series: SeriesReader): boolean {
    const { bounds, bytes, start } = series;
    return (
      series.labels === this.labels &&
      offsetIn(series) === this.offset &&
      startsWith(bytes, start, this.literal.slice(0, this.offset)) &&
      this.labelNames.every((name, label) => {
        const from = bounds[4 * label]!;
        return bounds[4 * label + 1]! - from === name.length && startsWith(bytes, from, name);
      })
    );
  }

  /** Takes a series of this shape as the pattern. It must be spelled as by writeSeries. */
  learn({ bounds, start, stop, view }: SeriesReader, hashes: boolean): void {
    if (this.labels === 0) return;
    this.pattern ??= new SeriesPattern(hashes ? this.seeds : undefined);
    this.pattern.learn(view, start, stop, bounds, this.labels);
    if (this.renamed === 0) return;
    this.renames = this.prefixes.flatMap((prefix, index) => {
      if (prefix === "") return [];
      const from = index === 0 ? start : bounds[4 * index - 1]!;
      return [{ prefix: toInsert(prefix), after: index - 1, offset: bounds[4 * index]! - from }];
    });
  }
}

/** Which labels of labelBits a series has. */
export function bitsOf(series: SeriesReader): number {
  if (series.labels === 0) return 0;
  return (
    (series.hasLabel("le") ? labelBits.le : 0) |
    (series.hasLabel("quantile") ? labelBits.quantile : 0) |
    (series.hasOwnLabel() ? labelBits.own : 0)
  );
}

/** Where labels are added to a series, as in `places`. */
export function placeIn({ labels, quoted }: SeriesReader): number {
  if (quoted) return places.next;
  return labels > 0 ? places.first : places.braced;
}

/** The offset of that place from the start of the series in its canonical spelling. */
export function offsetIn({ labels, nameEnd, quoted, start }: SeriesReader): number {
  return nameEnd - start + (quoted || labels > 0 ? 1 : 0);
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
