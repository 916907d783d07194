import { BRACE_OPEN, HASH, LINE_FEED, SPACE, skipBlanks } from "./bytes.js";
import type { Format } from "./format.js";

/** The part of a valid sample after the series: value, timestamp, exemplar and line end. Reused for every sample. */
export class SampleTail {
  valueStart = 0;
  valueEnd = 0;
  /** Bounds of the timestamp; both 0 if there is none. */
  timeStart = 0;
  timeEnd = 0;
  hasExemplar = false;
  /** Position of the line feed. */
  lineEnd = 0;
  /** Whether exactly one space separates the parts, as strict parsers require. */
  tidy = true;

  /** Reads the tail of the sample whose series ends at `start`. */
  read(bytes: Uint8Array, start: number, format: Format): void {
    this.timeStart = 0;
    this.timeEnd = 0;
    this.hasExemplar = false;
    if (format === "text") this.readText(bytes, start);
    else this.readOpenMetrics(bytes, start);
  }

  private readText(bytes: Uint8Array, start: number): void {
    let pos = skipBlanks(bytes, start);
    this.tidy = pos === start + 1 && bytes[start] === SPACE && bytes[pos] !== BRACE_OPEN;
    this.valueStart = pos;
    pos = skipWord(bytes, pos);
    this.valueEnd = pos;
    if (bytes[pos] !== LINE_FEED) {
      const separator = pos;
      pos = skipBlanks(bytes, pos);
      if (bytes[pos] === LINE_FEED) {
        this.tidy = false;
      } else {
        this.timeStart = pos;
        pos = skipWord(bytes, pos);
        this.timeEnd = pos;
        const oneSpace = this.timeStart === separator + 1 && bytes[separator] === SPACE;
        if (!oneSpace || bytes[pos] !== LINE_FEED) this.tidy = false;
        pos = skipBlanks(bytes, pos);
      }
    }
    this.lineEnd = pos;
  }

  private readOpenMetrics(bytes: Uint8Array, start: number): void {
    this.tidy = bytes[start + 1] !== BRACE_OPEN;
    this.valueStart = start + 1;
    let pos = skipWord(bytes, start + 1);
    this.valueEnd = pos;
    if (bytes[pos] === SPACE && bytes[pos + 1] !== HASH) {
      this.timeStart = pos + 1;
      pos = skipWord(bytes, pos + 1);
      this.timeEnd = pos;
    }
    this.hasExemplar = bytes[pos] === SPACE;
    while (bytes[pos] !== LINE_FEED) pos++;
    this.lineEnd = pos;
  }
}

/** Skips everything above the space character, as in numbers. */
function skipWord(bytes: Uint8Array, start: number): number {
  let pos = start;
  while (bytes[pos]! > SPACE) pos++;
  return pos;
}
