import { QUOTE, skipPlain } from "./bytes.js";

/** Longer series are not worth remembering. */
const maxPatternBytes = 1024;

/**
 * All bytes of a series except for its label values: names, braces, quotes, commas, blanks. The samples of a
 * family nearly always share them, and mostly the first values too. A series that differs from a valid one in
 * plain values alone is valid: there is no need to look at its names, nor at what it has in common with the series
 * before it. Four and eight bytes are compared at once, where else each byte would have to be classified.
 */
export class SeriesPattern {
  /** How many labels the pattern has; 0 when there is none. */
  private labels = 0;
  /** Pieces stand before the first value, between the values, and behind the last: one more than labels. */
  private readonly lengths: number[] = [];
  /** The pieces in words of four bytes; a mask leaves out what lies behind a piece in its last word. */
  private readonly words: number[] = [];
  private readonly masks: number[] = [];
  /** For each piece the index of its first word, and behind them that of the end. */
  private readonly wordStarts: number[] = [];
  /** Where the last series began, or -1, and where its values began and ended, counted from there. */
  private last = -1;
  private readonly valueStarts: number[] = [];
  private readonly valueEnds: number[] = [];

  /** To be called whenever there are other bytes: the last series must not be compared with any more. */
  begin(): void {
    this.last = -1;
  }

  /**
   * Remembers the valid series between `start` and `end`. Its labels are plain, as LabelSetScanner says
   * it. Of each of them `bounds` has where its name and its value begin and end: four numbers.
   */
  learn(view: DataView, start: number, end: number, bounds: Int32Array, labels: number): void {
    this.labels = 0;
    this.last = -1;
    if (end - start > maxPatternBytes) return;
    let from = start;
    let word = 0;
    for (let piece = 0; piece <= labels; piece++) {
      const to = piece < labels ? bounds[4 * piece + 2]! : end;
      this.lengths[piece] = to - from;
      this.wordStarts[piece] = word;
      for (let pos = from; pos < to; pos += 4, word++) this.addWord(word, view, pos, Math.min(to - pos, 4));
      if (piece === labels) break;
      from = bounds[4 * piece + 3]!;
      this.valueStarts[piece] = to - start;
      this.valueEnds[piece] = from - start;
    }
    this.wordStarts[labels + 1] = word;
    this.labels = labels;
    this.last = start;
  }

  /** Answers the position behind the series that begins at `start`, or -1 where it needs another look. */
  match(bytes: Buffer, view: DataView, start: number): number {
    const { labels, lengths, wordStarts, valueStarts, valueEnds } = this;
    if (labels === 0) return -1;
    let piece = 0;
    let pos = start;
    if (this.last >= 0) {
      const common = this.commonPrefix(view, start);
      while (piece < labels && valueStarts[piece]! <= common) piece++;
      // The prefix reaches the value before this piece: go on within it or, if it is all in the prefix, behind it.
      if (piece > 0) pos += Math.min(common, valueEnds[piece - 1]!);
    }
    for (; ; piece++) {
      if (piece > 0) {
        // From here on the bounds are no longer those of the last series.
        this.last = -1;
        pos = skipPlain(bytes, pos);
        if (bytes[pos] !== QUOTE) return -1;
        valueEnds[piece - 1] = pos - start;
      }
      if (!this.hasWords(view, pos, wordStarts[piece]!, wordStarts[piece + 1]!)) return -1;
      pos += lengths[piece]!;
      if (piece === labels) {
        this.last = start;
        return pos;
      }
      valueStarts[piece] = pos - start;
    }
  }

  /** How many bytes are the same as in the last series, in steps of eight. */
  private commonPrefix(view: DataView, start: number): number {
    const { last } = this;
    // Behind the last value there is nothing to gain.
    const end = Math.min(this.valueEnds[this.labels - 1]!, view.byteLength - start) - 8;
    let length = 0;
    // Eight bytes compared as a float are the same bits unless all are zero, and a plain series has no NUL.
    while (length <= end && view.getFloat64(last + length, true) === view.getFloat64(start + length, true)) {
      length += 8;
    }
    return length;
  }

  private hasWords(view: DataView, start: number, first: number, end: number): boolean {
    const { words, masks } = this;
    if (start + 4 * (end - first) > view.byteLength) return false;
    let pos = start;
    for (let word = first; word < end; word++, pos += 4) {
      if ((view.getInt32(pos, true) & masks[word]!) !== words[word]!) return false;
    }
    return true;
  }

  private addWord(word: number, view: DataView, pos: number, length: number): void {
    let value = 0;
    for (let index = 0; index < length; index++) value |= view.getUint8(pos + index) << (8 * index);
    this.words[word] = value;
    this.masks[word] = length === 4 ? -1 : (1 << (8 * length)) - 1;
  }
}
