import { BACKSLASH, hashBytes, isEscapable, QUOTE, skipPlain, viewOf } from "./bytes.js";

/** Shared by all patterns that have learned no series: allocating costs more than reading a short line. */
const noNumbers = new Int32Array(0);
const noBytes = new DataView(new ArrayBuffer(0));

/**
 * The most recent series of one shape. The next series has the same shape if only its label values differ, so it needs
 * no full parse. Common bytes are compared eight at a time; only values that differ are scanned. The validator and the
 * sample copier both use it: nearly every line resembles a recent one.
 */
export class SeriesPattern {
  /** Number of labels; 0 until a series has been learned. */
  private labels = 0;
  private view: DataView = noBytes;
  private start = 0;
  private end = 0;
  /** Where each label value starts and ends, relative to the start of the series. */
  private starts = noNumbers;
  private ends = noNumbers;
  private hashes = noNumbers;
  /** Differing values of the series being compared: label index, growth in bytes, hash. */
  private differences = noNumbers;
  /** Sum of the hashes of all label values; 0 without seeds. */
  hash = 0;

  /** @param seeds one hash seed per label; undefined if no hashes are needed. */
  constructor(private readonly seeds?: readonly number[]) {}

  /**
   * Takes the series between `start` and `end` as the pattern. No value may be empty, and every parser must accept the
   * spelling.
   *
   * @param bounds start and end of the name and of the value of each label, without quotes: four numbers per label.
   */
  learn(view: DataView, start: number, end: number, bounds: ArrayLike<number>, labels: number): void {
    if (labels > this.starts.length) {
      this.starts = new Int32Array(labels);
      this.ends = new Int32Array(labels);
      this.hashes = new Int32Array(labels);
      this.differences = new Int32Array(3 * labels);
    }
    this.labels = labels;
    this.view = view;
    this.start = start;
    this.end = end;
    this.hash = 0;
    for (let label = 0; label < labels; label++) {
      const from = bounds[4 * label + 2]!;
      const to = bounds[4 * label + 3]!;
      this.starts[label] = from - start;
      this.ends[label] = to - start;
      if (this.seeds === undefined) continue;
      this.hashes[label] = hashBytes(view, from, to, this.seeds[label]!);
      this.hash = (this.hash + this.hashes[label]!) | 0;
    }
  }

  /** Where the value of a label ends, relative to the start of the series. */
  endOf(label: number): number {
    return this.ends[label]!;
  }

  /**
   * Compares the series at `start` with the pattern. If it has the same shape and no value is empty or needs
   * rewriting, it becomes the pattern.
   *
   * @param view over the same memory as `bytes`.
   * @returns the position after the series, or -1 if it does not match.
   */
  match(bytes: Uint8Array, view: DataView, start: number): number {
    const { differences, end, ends, labels, seeds, start: lastStart, starts, view: last } = this;
    if (labels === 0) return -1;
    let count = 0;
    // Positions refer to the last series; adding `shift` yields the corresponding position in this one.
    let pos = lastStart;
    let shift = start - pos;
    const stop = pos + ends[labels - 1]!;
    const maxPos = Math.min(stop - 1, last.byteLength - 8);
    for (let label = 0; label < labels; label++) {
      const from = pos;
      const limit = Math.min(maxPos, view.byteLength - 8 - shift);
      // UTF-8 is never NaN (see ByteSink). Only zero has two encodings, and no value contains a NUL.
      while (pos <= limit && last.getFloat64(pos, true) === view.getFloat64(pos + shift, true)) pos += 8;
      if (pos > stop) break;
      // A value that ends exactly here may be longer in this series.
      while (lastStart + ends[label]! < pos) label++;
      const value = lastStart + starts[label]!;
      // Compare the bytes left before the value in one step as well, together with earlier ones if they are fewer than 8.
      if (pos < value && value - 8 <= pos && value - 8 >= from && value + shift <= view.byteLength) {
        if (last.getFloat64(value - 8, true) !== view.getFloat64(value - 8 + shift, true)) return -1;
        pos = value;
      }
      for (; pos < value; pos++) if (last.getUint8(pos) !== bytes[pos + shift]) return -1;
      const to = skipValue(bytes, value + shift, pos + shift);
      if (to <= value + shift) return -1;
      pos = lastStart + ends[label]!;
      differences[count] = label;
      differences[count + 1] = to - shift - pos;
      if (seeds !== undefined) differences[count + 2] = hashBytes(view, value + shift, to, seeds[label]!);
      count += 3;
      shift = to - pos;
    }
    for (; pos < end; pos++) if (last.getUint8(pos) !== bytes[pos + shift]) return -1;
    if (count > 0) this.apply(count);
    this.view = view;
    this.start = start;
    this.end = end + shift;
    return this.end;
  }

  /** Copies the pattern out of the memory that contains it, so that the memory can be freed. */
  detach(): void {
    const length = this.end - this.start;
    if (this.view.byteLength === length + 8) return;
    const copy = new Uint8Array(length + 8);
    copy.set(new Uint8Array(this.view.buffer, this.view.byteOffset + this.start, length));
    this.view = viewOf(copy);
    this.start = 0;
    this.end = length;
  }

  /** Updates bounds and hashes from the first `count` numbers of `differences`, in one pass over the labels. */
  private apply(count: number): void {
    const { differences, ends, hashes, labels, starts } = this;
    let shift = 0;
    for (let index = 0; index < count; index += 3) {
      const label = differences[index]!;
      if (this.seeds !== undefined) {
        this.hash = (this.hash + differences[index + 2]! - hashes[label]!) | 0;
        hashes[label] = differences[index + 2]!;
      }
      starts[label]! += shift;
      shift += differences[index + 1]!;
      ends[label]! += shift;
      if (shift === 0) continue;
      const next = index + 3 < count ? differences[index + 3]! : labels;
      for (let between = label + 1; between < next; between++) {
        starts[between]! += shift;
        ends[between]! += shift;
      }
    }
  }
}

/**
 * Finds the quote that ends the value starting at `start`, searching from `pos`.
 *
 * @returns its position, or -1 if the value contains anything that needs rewriting.
 */
function skipValue(bytes: Uint8Array, start: number, pos: number): number {
  let at = pos;
  // Go back to the first backslash of a run: only from there is it clear which of them are escaped.
  while (at > start && bytes[at - 1] === BACKSLASH) at--;
  for (;;) {
    at = skipPlain(bytes, at);
    if (bytes[at] === QUOTE) return at;
    if (bytes[at] !== BACKSLASH || !isEscapable(bytes[at + 1]!)) return -1;
    at += 2;
  }
}
