import { BRACE_OPEN, HASH, LINE_FEED, SPACE, skipBlanks } from "./bytes.js";

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
  read(bytes: Uint8Array, start: number): void {
    this.timeStart = 0;
    this.timeEnd = 0;
    this.hasExemplar = false;
    let pos = skipBlanks(bytes, start);
    this.tidy = pos === start + 1 && bytes[start] === SPACE && bytes[pos] !== BRACE_OPEN;
    this.valueStart = pos;
    pos = skipWord(bytes, pos);
    this.valueEnd = pos;
    if (bytes[pos] !== LINE_FEED) pos = this.readRest(bytes, pos);
    this.lineEnd = pos;
  }

  /** Reads what follows the value. Returns the position of the line feed. */
  private readRest(bytes: Uint8Array, start: number): number {
    let pos = this.skipSpace(bytes, start);
    if (bytes[pos]! > HASH) {
      this.timeStart = pos;
      pos = skipWord(bytes, pos);
      this.timeEnd = pos;
      if (bytes[pos] === LINE_FEED) return pos;
      pos = this.skipSpace(bytes, pos);
    }
    this.hasExemplar = bytes[pos] === HASH;
    // Blanks at the end of the line.
    if (!this.hasExemplar) this.tidy = false;
    while (bytes[pos] !== LINE_FEED) pos++;
    return pos;
  }

  /** Skips blanks. */
  private skipSpace(bytes: Uint8Array, start: number): number {
    const pos = skipBlanks(bytes, start);
    if (pos !== start + 1 || bytes[start] !== SPACE) this.tidy = false;
    return pos;
  }
}

/** Skips everything above the space character, as in numbers. */
function skipWord(bytes: Uint8Array, start: number): number {
  let pos = start;
  while (bytes[pos]! > SPACE) pos++;
  return pos;
}
