import { SPACE } from "./bytes.js";
import { hashText } from "./hash.js";
import { LastSeries } from "./last-series.js";
import { labelBits } from "./metric-type.js";
import { exportedPrefixes, type Insert, type PutLabels, places, toInsert } from "./put-labels.js";
import { escapeQuoted } from "./quoted.js";
import { type FoundSeries, needsQuotes, quote, type Series } from "./series.js";

/** A label that gets another name: what is put in, behind which label's value, and how far behind it. */
export interface Rename {
  readonly prefix: Insert;
  /** The index of the label before it; -1: it is the first, and the offset counts from the series' start. */
  readonly behind: number;
  readonly offset: number;
}

/**
 * What all samples with one metric name and the same label names in the same order have in common: how labels are
 * put into them. Nearly every sample has the shape of the one before it, or the shape that came next the last time.
 */
export class SampleShape {
  /** The metric's name, as a byte string without quotes and escapes. */
  readonly name: string;
  /** How many labels it has. */
  readonly labels: number;
  /** What goes before the name of each label. */
  readonly prefixes: readonly string[];
  /** The names that its labels get in the end, as labelBits. */
  readonly bits: number;
  /** Where labels are put in, as in places. */
  readonly place: number;
  /** How far behind the start of the series the labels are put in, when it is spelled as writeSeries does it. */
  readonly offset: number;
  readonly nameHash: number;
  /** The seed for the hash of each label's value. */
  readonly seeds: readonly number[];
  /** The name of a series without labels. */
  readonly literal: Buffer;
  /** Of a series with labels the last one that was spelled well. */
  last: LastSeries | undefined;
  renames: readonly Rename[] = [];
  /** How many bytes the prefixes take. */
  readonly renamed: number;
  /** The shapes that came behind it. */
  readonly followers = new Followers();

  constructor({ name, labels }: FoundSeries, put: PutLabels) {
    const names = labels.map(([label]) => label);
    this.name = name;
    this.labels = labels.length;
    this.prefixes = exportedPrefixes(names, put.names);
    this.renamed = this.prefixes.reduce((sum, prefix) => sum + prefix.length, 0);
    const final = names.map((label, index) => this.prefixes[index] + label);
    this.bits =
      (final.includes("le") ? labelBits.le : 0) |
      (final.includes("quantile") ? labelBits.quantile : 0) |
      (final.includes(name) ? labelBits.own : 0);
    const quoted = needsQuotes(name);
    this.literal = Buffer.from(quoted ? `{${quote(name)}}` : name, "latin1");
    this.place = quoted ? places.next : labels.length > 0 ? places.first : places.braced;
    this.offset = quoted ? this.literal.length - 1 : name.length + (labels.length > 0 ? 1 : 0);
    this.nameHash = hashText(name, 1);
    this.seeds = final.map((label) => hashText(label, 0));
  }

  /** Whether the series at `start` has this shape and is spelled well: answers the position behind it, or -1. */
  match(bytes: Buffer, view: DataView, start: number): number {
    if (this.labels === 0) return this.matchLiteral(bytes, start);
    return this.last === undefined ? -1 : this.last.match(bytes, view, start);
  }

  private matchLiteral(bytes: Buffer, start: number): number {
    const { literal } = this;
    const end = start + literal.length;
    for (let index = 0; index < literal.length; index++) {
      if (bytes[start + index] !== literal[index]) return -1;
    }
    return bytes[end] === SPACE ? end : -1;
  }

  /**
   * The hash of the series that matched last, with labels put in whose hash is `put`. The order of the labels does
   * not matter, nor does their spelling.
   */
  hash(put: number): number {
    return (this.nameHash + put + (this.last?.hash ?? 0)) | 0;
  }

  /** The same of a series that was read. */
  hashOf(series: Series, put: number): number {
    const hashes = series.labels.map(([, value], index) => hashText(escapeQuoted(value), this.seeds[index]!));
    return hashes.reduce((sum, hash) => sum + hash, this.nameHash + put) | 0;
  }

  /** Remembers how a series of this shape is spelled, one that is as writeSeries would do it. */
  learn(view: DataView, start: number, { end, bounds }: FoundSeries, hashes: boolean): void {
    if (this.labels === 0) return;
    this.last = new LastSeries(view, start, end, bounds, hashes ? this.seeds : undefined);
    this.renames = this.prefixes.flatMap((prefix, index) => {
      if (prefix === "") return [];
      const from = index === 0 ? start : bounds[4 * index - 1]!;
      return [{ prefix: toInsert(prefix), behind: index - 1, offset: bounds[4 * index]! - from }];
    });
  }
}

/** The two shapes that came last behind something: they are likely to come again. */
export class Followers {
  first: SampleShape | undefined;
  second: SampleShape | undefined;

  add(shape: SampleShape): void {
    if (shape === this.first) return;
    this.second = this.first;
    this.first = shape;
  }
}
