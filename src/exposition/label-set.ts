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
  UNDERSCORE,
} from "./bytes.js";
import { FAULT, INCOMPLETE } from "./record-scanner.js";

/** Where the formats differ in what may stand between braces. */
export interface LabelDialect {
  /** Spaces and tabs may stand between all parts, and a comma between two labels may be missing. */
  readonly loose: boolean;
  /** A line feed may stand in quotes as it is. */
  readonly lineFeedInQuotes: boolean;
  /** A NUL may stand in quotes. */
  readonly nulInQuotes: boolean;
  /** The labels are a series' own: one may be the metric's name in quotes, and none may be there twice. */
  readonly series: boolean;
}

/** More labels than this in one set are refused: telling whether one is there twice takes memory. */
export const maxLabels = 65_536;

/** With up to so many labels each is compared with each, which beats a set of strings. */
const fewLabels = 16;

/** Reads what stands between `{` and `}`. One is made for each dialect and used for every set. */
export class LabelSetScanner {
  /** See RecordScanner. */
  knownUtf8 = true;
  reason = "";
  /** The line feeds that were seen in quotes. */
  lineFeeds = 0;
  /** Whether the last set held the metric's name, in quotes. */
  named = false;
  /** How many labels with a value the last set had; an empty value is as good as no label. */
  count = 0;
  /**
   * Whether all is plain in the last set: every label has a value, and between no quotes is there an escape, a
   * line feed or a NUL.
   */
  plain = true;
  /** Where the name and the value of each label begin and end, without quotes: four numbers a label. */
  bounds = new Int32Array(4 * fewLabels);
  /** Whether one of those names has an escape in it. */
  private escapedName = false;
  /** Whether the quoted string that was read last has an escape in it. */
  private escaped = false;

  constructor(private readonly dialect: LabelDialect) {}

  /**
   * Reads the set that begins at `start`, behind its `{`. The bytes before `end` are whole lines.
   *
   * Answers the position behind its `}`, or FAULT, or INCOMPLETE.
   */
  scan(bytes: Buffer, start: number, end: number): number {
    const { loose } = this.dialect;
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
      let escapedName = false;
      const quoted = bytes[pos] === QUOTE;
      if (quoted) {
        pos = this.scanQuoted(bytes, pos + 1, end);
        if (pos < 0) return pos;
        nameStart++;
        nameEnd = pos - 1;
        escapedName = this.escaped;
      } else {
        if (!startsLabel(bytes[pos]!)) return this.fault(noLabelName(bytes[pos]!));
        pos = skipLabel(bytes, pos);
        nameEnd = pos;
      }
      if (loose) pos = skipBlanks(bytes, pos);

      if (quoted && this.dialect.series && (bytes[pos] === COMMA || bytes[pos] === BRACE_CLOSE)) {
        if (this.named) return this.fault("the metric has a second name");
        if (nameStart === nameEnd) return this.fault("empty metric name");
        this.named = true;
        if (bytes[pos] === COMMA) pos++;
        continue;
      }

      if (nameStart === nameEnd) return this.fault("empty label name");
      if (bytes[pos] !== EQUALS) return this.fault("a label without =");
      pos++;
      if (loose) pos = skipBlanks(bytes, pos);
      if (bytes[pos] !== QUOTE) return this.fault("a label value without quotes");
      const valueStart = pos + 1;
      pos = this.scanQuoted(bytes, valueStart, end);
      if (pos < 0) return pos;
      if (this.dialect.series) {
        if (isMetricNameLabel(bytes, nameStart, nameEnd)) return this.fault("a label is called __name__");
        if (valueStart === pos - 1) this.plain = false;
        else if (!this.remember(nameStart, nameEnd, valueStart, pos - 1, escapedName)) return FAULT;
      }
      if (loose) pos = skipBlanks(bytes, pos);
      if (bytes[pos] === COMMA) pos++;
      else if (bytes[pos] === BRACE_CLOSE) break;
      else if (!loose) return this.fault("neither comma nor closing brace after a label");
    }
    if (this.count > 1 && this.hasDuplicate(bytes)) return this.fault("a label is there twice");
    return pos + 1;
  }

  /** Answers the position behind the closing quote of the string that begins at `start`. */
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
        // What follows does not end the string. A NUL is passed over as if it were not there.
        do pos++;
        while (this.dialect.nulInQuotes && bytes[pos] === NUL);
        if (bytes[pos] === LINE_FEED) return this.fault("a backslash at the end of a line");
      }
      if (bytes[pos] === LINE_FEED) {
        if (!this.dialect.lineFeedInQuotes) return this.fault("a quote is not closed");
        this.lineFeeds++;
        if (pos + 1 === end) return INCOMPLETE;
      } else if (bytes[pos] === NUL && !this.dialect.nulInQuotes) {
        return this.fault("a NUL byte in quotes");
      }
      pos++;
    }
    if (!this.knownUtf8 && !isUtf8(bytes.subarray(start, pos))) return this.fault("not UTF-8 in quotes");
    return pos + 1;
  }

  private remember(
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    escaped: boolean,
  ): boolean {
    const index = 4 * this.count;
    if (index === this.bounds.length) {
      if (this.count === maxLabels) {
        this.reason = `more than ${maxLabels} labels`;
        return false;
      }
      const grown = new Int32Array(2 * this.bounds.length);
      grown.set(this.bounds);
      this.bounds = grown;
    }
    this.bounds[index] = nameStart;
    this.bounds[index + 1] = nameEnd;
    this.bounds[index + 2] = valueStart;
    this.bounds[index + 3] = valueEnd;
    this.count++;
    if (escaped) this.escapedName = true;
    return true;
  }

  private hasDuplicate(bytes: Buffer): boolean {
    if (this.count > fewLabels || this.escapedName) {
      const names = new Set<string>();
      for (let index = 0; index < 4 * this.count; index += 4) {
        const name = bytes.toString("utf8", this.bounds[index], this.bounds[index + 1]);
        names.add(this.escapedName ? unescapeName(name) : name);
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

function noLabelName(byte: number): string {
  return byte === LINE_FEED ? "a brace is not closed" : "not a label name";
}

function isMetricNameLabel(bytes: Buffer, start: number, end: number): boolean {
  return (
    end - start === 8 &&
    bytes[start] === UNDERSCORE &&
    bytes[start + 1] === UNDERSCORE &&
    bytes.toString("latin1", start, end) === "__name__"
  );
}

function unescapeName(text: string): string {
  return text.replace(/\\([\\"n])/g, (_, character: string) => (character === "n" ? "\n" : character));
}
