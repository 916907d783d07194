import { viewOf } from "./byte-sink.js";
import { BACKSLASH, QUOTE, skipPlain } from "./bytes.js";
import { hashBytes } from "./hash.js";

const LOWER_N = 0x6e;

/**
 * A series that was seen, as a measure for the next one: that has the same shape if it differs in label values alone.
 * What both have in common is compared eight bytes at once, and only values that differ are looked at.
 */
export class LastSeries {
  /** Where each label's value begins and ends, counted from the series' start. */
  private readonly starts: Int32Array;
  private readonly ends: Int32Array;
  private readonly hashes: Int32Array;
  /** The sum of the hashes of the values. */
  hash = 0;
  /** The labels whose values differ in the series that is being compared, and how much longer those are. */
  private readonly differing: Int32Array;
  private differences = 0;

  /**
   * The series is where `view` has it between `start` and `end`, and stays there until it is detached.
   *
   * @param bounds for each label where its name and its value begin and end, without quotes: four numbers. There is
   *   at least one, no value is empty, and all are spelled as every parser reads them.
   * @param seeds for the hash of each label's value; undefined where no hashes are wanted.
   */
  constructor(
    private view: DataView,
    private start: number,
    private end: number,
    bounds: readonly number[],
    private readonly seeds: readonly number[] | undefined,
  ) {
    const labels = bounds.length / 4;
    this.starts = Int32Array.from({ length: labels }, (_, label) => bounds[4 * label + 2]! - start);
    this.ends = Int32Array.from({ length: labels }, (_, label) => bounds[4 * label + 3]! - start);
    this.hashes = new Int32Array(labels);
    this.differing = new Int32Array(2 * labels);
    for (let label = 0; label < labels; label++) this.rehash(label, view, start);
  }

  /** Where the value of a label ends, counted from the series' start. */
  endOf(label: number): number {
    return this.ends[label]!;
  }

  /**
   * Whether the series at `start` has the same shape, and values that are neither empty nor to be mended: answers the
   * position behind it and takes it for the measure; else answers -1. `view` is of the same bytes.
   */
  match(bytes: Uint8Array, view: DataView, start: number): number {
    this.differences = 0;
    const { view: last, end, ends, starts } = this;
    const labels = starts.length;
    // Positions are those in the last series; `shift` more is the same place in this one.
    let pos = this.start;
    let shift = start - pos;
    // Where the last series would begin if all its values that were passed were as long as those in this one.
    let base = pos;
    const stop = base + ends[labels - 1]!;
    const room = Math.min(stop - 1, last.byteLength - 8);
    for (let label = 0; label < labels; label++) {
      const from = pos;
      const limit = Math.min(room, view.byteLength - 8 - shift);
      // UTF-8 is never NaN, see ByteSink; only zeros have two spellings, and no value has a NUL.
      while (pos <= limit && last.getFloat64(pos, true) === view.getFloat64(pos + shift, true)) pos += 8;
      if (pos >= stop) break;
      while (base + ends[label]! <= pos) label++;
      const value = base + starts[label]!;
      // The last bytes before a value are compared at once as well, with those before them where they are too few.
      if (pos < value && value - 8 <= pos && value - 8 >= from && value + shift <= view.byteLength) {
        if (last.getFloat64(value - 8, true) !== view.getFloat64(value - 8 + shift, true)) return this.fail();
        pos = value;
      }
      for (; pos < value; pos++) if (last.getUint8(pos) !== bytes[pos + shift]) return this.fail();
      const to = skipValue(bytes, value + shift, pos + shift);
      if (to <= value + shift) return this.fail();
      pos = base + ends[label]!;
      const more = to - shift - pos;
      this.differing[this.differences++] = label;
      this.differing[this.differences++] = more;
      if (more !== 0) {
        this.lengthen(label, more);
        base -= more;
        shift += more;
      }
      if (this.seeds !== undefined) this.rehash(label, view, start);
    }
    for (; pos < end; pos++) if (last.getUint8(pos) !== bytes[pos + shift]) return this.fail();
    this.view = view;
    this.start = start;
    this.end = end + shift;
    return this.end;
  }

  /** Keeps a copy of the series instead of all the bytes that it is in. */
  detach(): void {
    const length = this.end - this.start;
    if (this.view.byteLength === length + 8) return;
    const copy = new Uint8Array(length + 8);
    copy.set(new Uint8Array(this.view.buffer, this.view.byteOffset + this.start, length));
    this.view = viewOf(copy);
    this.start = 0;
    this.end = length;
  }

  /** Takes back what was noted of a series that turned out to be of another shape. */
  private fail(): number {
    for (let index = 0; index < this.differences; index += 2) {
      this.lengthen(this.differing[index]!, -this.differing[index + 1]!);
    }
    if (this.seeds !== undefined) {
      for (let index = 0; index < this.differences; index += 2) {
        this.rehash(this.differing[index]!, this.view, this.start);
      }
    }
    return -1;
  }

  private lengthen(label: number, more: number): void {
    const { ends, starts } = this;
    ends[label]! += more;
    for (let index = label + 1; index < ends.length; index++) {
      starts[index]! += more;
      ends[index]! += more;
    }
  }

  private rehash(label: number, view: DataView, start: number): void {
    if (this.seeds === undefined) return;
    const hash = hashBytes(view, start + this.starts[label]!, start + this.ends[label]!, this.seeds[label]!);
    this.hash = (this.hash + hash - this.hashes[label]!) | 0;
    this.hashes[label] = hash;
  }
}

/**
 * The position of the quote that ends the value which begins at `start`, looked for from `pos` on; -1 where the value
 * has something in it that is to be mended.
 */
function skipValue(bytes: Uint8Array, start: number, pos: number): number {
  let at = pos;
  // Only from the first one on is it clear which backslash stands for itself.
  while (at > start && bytes[at - 1] === BACKSLASH) at--;
  for (;;) {
    at = skipPlain(bytes, at);
    if (bytes[at] === QUOTE) return at;
    if (bytes[at] !== BACKSLASH || !isEscaped(bytes[at + 1]!)) return -1;
    at += 2;
  }
}

/** Whether it may stand behind a backslash. */
function isEscaped(byte: number): boolean {
  return byte === BACKSLASH || byte === QUOTE || byte === LOWER_N;
}
