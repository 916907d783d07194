import { isUtf8 } from "node:buffer";
import {
  BRACE_OPEN,
  FIRST_BEYOND_ASCII,
  HASH,
  isBlank,
  isOneOf,
  LINE_FEED,
  NUL,
  skipBlanks,
  startsName,
  startsWith,
} from "./bytes.js";
import { scanFamilyName } from "./metadata.js";
import { scanMilliseconds, scanValue } from "./number.js";
import { RecordScanner } from "./record-scanner.js";

const types = ["counter", "gauge", "histogram", "summary", "untyped"];

/**
 * Scans the text format 0.0.4, exactly as tolerant as Prometheus: spaces and tabs are allowed between any two parts and
 * optional if the parts are clear without them; comments other than HELP and TYPE are ignored; HELP and TYPE may be
 * repeated, late, or about other families. A NUL at the start of a line ends the text.
 */
export class TextScanner extends RecordScanner {
  constructor() {
    super("text");
  }

  scan(bytes: Buffer, start: number, end: number): number {
    this.lines = 1;
    if (startsName(bytes[start]!) || bytes[start] === BRACE_OPEN) return this.scanSample(bytes, start, end);
    const pos = skipBlanks(bytes, start);
    const first = bytes[pos]!;
    if (first === HASH) return this.scanComment(bytes, pos, end);
    if (first === LINE_FEED) return pos + 1;
    if (first === NUL) return this.finish(end);
    if (startsName(first)) return this.fault("whitespace before a sample");
    return this.fault("neither a sample nor a comment");
  }

  private scanSample(bytes: Buffer, start: number, end: number): number {
    let pos = this.scanSeries(bytes, start, end);
    if (pos < 0) return pos;
    pos = skipBlanks(bytes, pos);
    if (bytes[pos] === LINE_FEED) return this.fault("sample without a value");
    pos = scanValue(bytes, pos);
    if (pos < 0 || !endsNumber(bytes[pos]!)) return this.fault("value is not a number");
    pos = skipBlanks(bytes, pos);
    if (bytes[pos] !== LINE_FEED) {
      pos = scanMilliseconds(bytes, pos);
      if (pos < 0 || !endsNumber(bytes[pos]!))
        return this.fault("timestamp is not a whole number of milliseconds");
      pos = skipBlanks(bytes, pos);
      if (bytes[pos] !== LINE_FEED) return this.fault("unexpected text after the timestamp");
    }
    this.samples++;
    return pos + 1;
  }

  /** Scans a line that starts with `#`. Only HELP and TYPE have a fixed form. */
  private scanComment(bytes: Buffer, start: number, end: number): number {
    const lineEnd = bytes.indexOf(LINE_FEED, start);
    const pos = skipBlanks(bytes, start + 1);
    if (pos === start + 1) {
      // A NUL ends the text here, but not in a comment whose `#` is followed by a space.
      const nul = bytes.subarray(pos, lineEnd).indexOf(NUL);
      return nul < 0 ? lineEnd + 1 : this.finish(end);
    }
    const isHelp = startsWith(bytes, pos, "HELP");
    const isType = startsWith(bytes, pos, "TYPE");
    if (!(isHelp || isType) || !isBlank(bytes[pos + 4]!)) return lineEnd + 1;
    return this.scanMetadata(bytes, skipBlanks(bytes, pos + 4), lineEnd, isType);
  }

  /** Scans the name at `start` and the text after it. */
  private scanMetadata(bytes: Buffer, start: number, lineEnd: number, isType: boolean): number {
    const pos = scanFamilyName(bytes, start);
    if (pos < 0) return this.fault(isType ? "TYPE without a metric name" : "HELP without a metric name");
    // Any single byte separates name and text, even the first byte of a multi-byte character.
    const textStart = Math.min(pos + 1, lineEnd);
    if (isType) {
      if (!isOneOf(bytes, textStart, lineEnd, types)) return this.fault("unknown type");
    } else if (
      !(this.utf8 && bytes[pos]! < FIRST_BEYOND_ASCII) &&
      !isUtf8(bytes.subarray(textStart, lineEnd))
    ) {
      return this.fault("invalid UTF-8 in HELP");
    }
    return lineEnd + 1;
  }

  private finish(end: number): number {
    this.ended = true;
    return end;
  }
}

/** Whether `byte` ends a value or a timestamp. */
function endsNumber(byte: number): boolean {
  return byte === LINE_FEED || isBlank(byte);
}
