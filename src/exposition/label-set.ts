import { isUtf8 } from "node:buffer";
import {
  BACKSLASH,
  BRACE_CLOSE,
  COMMA,
  EQUALS,
  LINE_FEED,
  NUL,
  QUOTE,
  skipBlanks,
  skipLabel,
  skipPlain,
  startsLabel,
  startsWith,
} from "./bytes.js";
import type { Format } from "./format.js";
import { unescapeQuoted } from "./series.js";

/** Returned by a scan instead of a position: the bytes are invalid; see `reason`. */
export const FAULT = -1;
/** Returned by a scan instead of a position: a quoted string continues after the available bytes. */
export const INCOMPLETE = -2;

/**
 * Maximum number of labels of a series. Other software allows 30 to 40 by default. Every label costs time and memory, and
 * a series is processed in one step.
 */
export const maxLabels = 1000;

/** Up to this number of labels, comparing all pairs is faster than a set of strings. */
const fewLabels = 16;

/** Scans label sets between `{` and `}`. One instance is reused for all sets. */
export class LabelSetScanner {
  /** Whether the bytes are known to be valid UTF-8. */
  knownUtf8 = true;
  /** See RecordScanner. */
  reason = "";
  /** Number of line feeds within quotes. */
  lineFeeds = 0;
  /** Whether the last set contained the quoted metric name. */
  named = false;
  /** Number of labels in the last set, without those that have an empty value. */
  count = 0;
  /** Whether every label of the last set has a value, and no string contains an escape, a line feed or a NUL. */
  plain = true;
  /** Start and end of the name and of the value of each label, without quotes: four numbers per label. */
  bounds = new Int32Array(4 * fewLabels);
  /** Whether any of these names contains an escape. */
  private escapedName = false;
  /** Whether the last quoted string contains an escape. */
  private escaped = false;

  /**
   * @param ofSeries whether the labels belong to a series, not to an exemplar: they may include the quoted metric name and
   * must be unique, and NUL is allowed within quotes.
   */
  constructor(
    private readonly format: Format,
    private readonly ofSeries = true,
  ) {}

  /**
   * Scans the set whose `{` is just before `start`. The bytes before `end` are complete lines.
   *
   * @returns the position after its `}`, FAULT or INCOMPLETE.
   */
  scan(bytes: Buffer, start: number, end: number): number {
    const { ofSeries } = this;
    // The text format allows spaces and tabs between all parts, and labels without commas between them.
    const loose = this.format === "text";
    this.count = 0;
    this.lineFeeds = 0;
    this.named = false;
    this.plain = true;
    this.escapedName = false;
    let pos = start;
    for (;;) {
      if (loose) pos = skipBlanks(bytes, pos);
      if (bytes[pos] === BRACE_CLOSE) break;
      let nameStart = pos;
      let nameEnd = pos;
      const quoted = bytes[pos] === QUOTE;
      if (quoted) {
        pos = this.scanQuoted(bytes, pos + 1, end);
        if (pos < 0) return pos;
        nameStart++;
        nameEnd = pos - 1;
        if (this.escaped) this.escapedName = true;
      } else {
        if (bytes[pos] === LINE_FEED) return this.fault("unclosed brace");
        if (!startsLabel(bytes[pos]!)) return this.fault("invalid label name");
        pos = skipLabel(bytes, pos);
        nameEnd = pos;
      }
      if (loose) pos = skipBlanks(bytes, pos);

      if (quoted && ofSeries && (bytes[pos] === COMMA || bytes[pos] === BRACE_CLOSE)) {
        if (this.named) return this.fault("second metric name");
        if (nameStart === nameEnd) return this.fault("empty metric name");
        this.named = true;
        if (bytes[pos] === COMMA) pos++;
        continue;
      }

      if (nameStart === nameEnd) return this.fault("empty label name");
      if (bytes[pos] !== EQUALS) return this.fault("label without =");
      pos++;
      if (loose) pos = skipBlanks(bytes, pos);
      if (bytes[pos] !== QUOTE) return this.fault("label value without quotes");
      const valueStart = pos + 1;
      pos = this.scanQuoted(bytes, valueStart, end);
      if (pos < 0) return pos;
      if (ofSeries) {
        if (nameEnd - nameStart === 8 && startsWith(bytes, nameStart, "__name__")) {
          return this.fault("label named __name__");
        }
        if (valueStart === pos - 1) this.plain = false;
        else if (this.count === maxLabels) return this.fault(`more than ${maxLabels} labels`);
        else this.remember(nameStart, nameEnd, valueStart, pos - 1);
      }
      if (loose) pos = skipBlanks(bytes, pos);
      if (bytes[pos] === COMMA) pos++;
      else if (bytes[pos] === BRACE_CLOSE) break;
      else if (!loose) return this.fault("missing comma or closing brace after a label");
    }
    if (this.count > 1 && this.hasDuplicate(bytes)) return this.fault("duplicate label");
    return pos + 1;
  }

  /** Returns the position after the closing quote of the string that starts at `start`. */
  private scanQuoted(bytes: Buffer, start: number, end: number): number {
    let pos = start;
    this.escaped = false;
    for (;;) {
      pos = skipPlain(bytes, pos);
      const byte = bytes[pos];
      if (byte === QUOTE) break;
      this.plain = false;
      if (byte === BACKSLASH) {
        this.escaped = true;
        // The escaped character does not end the string. A NUL is skipped.
        do pos++;
        while (this.ofSeries && bytes[pos] === NUL);
        if (bytes[pos] === LINE_FEED) return this.fault("backslash at the end of a line");
      }
      if (bytes[pos] === LINE_FEED) {
        if (this.format !== "text") return this.fault("unterminated quoted string");
        this.lineFeeds++;
        if (pos + 1 === end) return INCOMPLETE;
      } else if (bytes[pos] === NUL && !this.ofSeries) {
        return this.fault("NUL byte in a quoted string");
      }
      pos++;
    }
    if (!this.knownUtf8 && !isUtf8(bytes.subarray(start, pos)))
      return this.fault("invalid UTF-8 in a quoted string");
    return pos + 1;
  }

  private remember(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const index = 4 * this.count;
    if (index === this.bounds.length) {
      const grown = new Int32Array(2 * this.bounds.length);
      grown.set(this.bounds);
      this.bounds = grown;
    }
    this.bounds[index] = nameStart;
    this.bounds[index + 1] = nameEnd;
    this.bounds[index + 2] = valueStart;
    this.bounds[index + 3] = valueEnd;
    this.count++;
  }

  private hasDuplicate(bytes: Buffer): boolean {
    if (this.count > fewLabels || this.escapedName) {
      const names = new Set<string>();
      for (let index = 0; index < 4 * this.count; index += 4) {
        const name = bytes.toString("latin1", this.bounds[index], this.bounds[index + 1]);
        names.add(this.escapedName ? unescapeQuoted(name) : name);
      }
      return names.size < this.count;
    }
    for (let one = 4; one < 4 * this.count; one += 4) {
      for (let other = 0; other < one; other += 4) {
        if (this.sameName(bytes, one, other)) return true;
      }
    }
    return false;
  }

  private sameName(bytes: Buffer, one: number, other: number): boolean {
    let left = this.bounds[one]!;
    let right = this.bounds[other]!;
    const leftEnd = this.bounds[one + 1]!;
    if (leftEnd - left !== this.bounds[other + 1]! - right) return false;
    while (left < leftEnd && bytes[left] === bytes[right]) {
      left++;
      right++;
    }
    return left === leftEnd;
  }

  private fault(reason: string): number {
    this.reason = reason;
    return FAULT;
  }
}
