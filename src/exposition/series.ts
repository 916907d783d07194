import {
  BACKSLASH,
  BRACE_CLOSE,
  BRACE_OPEN,
  COMMA,
  EQUALS,
  NUL,
  QUOTE,
  skipBlanks,
  skipLabel,
  skipName,
  skipPlain,
} from "./bytes.js";

/*
 * Names and texts of an exposition are handled as byte strings (latin1, one character per byte), so that they leave
 * the proxy exactly as they were received.
 */

/** Name and value of a label, as byte strings without quotes and escapes. The value is not empty. */
export type Label = readonly [name: string, value: string];

/** The series that a sample belongs to. */
export interface Series {
  /** The metric name, as a byte string without quotes and escapes. */
  readonly name: string;
  /** Without labels that have an empty value: those count as missing. */
  readonly labels: readonly Label[];
}

/** A series and its position. */
export interface FoundSeries extends Series {
  /** The position after it. */
  readonly end: number;
  /** Start and end of the name and of the value of each label, without quotes: four numbers per label. */
  readonly bounds: readonly number[];
}

/** Reads the series at `start` in any valid spelling. The bytes must be valid. */
export function readSeries(bytes: Buffer, start: number): FoundSeries {
  let pos = skipName(bytes, start);
  let name = bytes.toString("latin1", start, pos);
  const labels: Label[] = [];
  const bounds: number[] = [];
  const brace = skipBlanks(bytes, pos);
  if (bytes[brace] !== BRACE_OPEN) return { name, labels, bounds, end: pos };

  for (pos = skipBlanks(bytes, brace + 1); bytes[pos] !== BRACE_CLOSE; pos = skipBlanks(bytes, pos)) {
    if (bytes[pos] === COMMA) {
      pos++;
      continue;
    }
    const quoted = bytes[pos] === QUOTE ? 1 : 0;
    const nameStart = pos + quoted;
    pos = quoted ? skipQuoted(bytes, nameStart) : skipLabel(bytes, pos);
    const nameEnd = pos - quoted;
    const word = unescapeQuoted(bytes.toString("latin1", nameStart, nameEnd));
    pos = skipBlanks(bytes, pos);
    if (bytes[pos] !== EQUALS) {
      name = word;
      continue;
    }
    const valueStart = skipBlanks(bytes, pos + 1) + 1;
    pos = skipQuoted(bytes, valueStart);
    if (valueStart === pos - 1) continue;
    labels.push([word, unescapeQuoted(bytes.toString("latin1", valueStart, pos - 1))]);
    bounds.push(nameStart, nameEnd, valueStart, pos - 1);
  }
  return { name, labels, bounds, end: pos + 1 };
}

/** Writes a series so that every parser accepts it; names are quoted if necessary. Returns a byte string. */
export function writeSeries({ name, labels }: Series): string {
  const list = writeLabels(labels);
  if (!needsQuotes(name)) return list === "" ? name : `${name}{${list}}`;
  return list === "" ? `{${quote(name)}}` : `{${quote(name)},${list}}`;
}

/** Writes a list of labels without braces. */
export function writeLabels(labels: readonly Label[]): string {
  return labels.map(([name, value]) => `${writeLabelName(name)}=${quote(value)}`).join(",");
}

/** Writes a metric name for HELP, TYPE and UNIT. */
export function writeName(name: string): string {
  return needsQuotes(name) ? quote(name) : name;
}

/** Whether a metric name must be quoted. */
export function needsQuotes(name: string): boolean {
  return !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name);
}

function writeLabelName(name: string): string {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : quote(name);
}

/** Quotes a byte string. */
export function quote(text: string): string {
  return `"${escapeQuoted(text)}"`;
}

/** The position after the closing quote of the string that starts at `start`. */
function skipQuoted(bytes: Buffer, start: number): number {
  for (let pos = start; ; pos++) {
    pos = skipPlain(bytes, pos);
    if (bytes[pos] === QUOTE) return pos + 1;
    if (bytes[pos] === BACKSLASH) {
      // Like the scanners: a NUL is skipped.
      do pos++;
      while (bytes[pos] === NUL);
    }
  }
}

/** Converts text to a byte string. */
export function toByteString(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** Converts a byte string to text. */
export function fromByteString(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString();
}

/** Unescapes a quoted string like Prometheus: a backslash before any other character is kept. */
export function unescapeQuoted(text: string): string {
  return text.includes("\\") ? unescapeAll(text, (part) => part.replace(/\\"/g, '"')) : text;
}

/** Escapes a quoted string, only with the three escapes that every parser supports. */
export function escapeQuoted(text: string): string {
  return /[\\"\n]/.test(text) ? escapeHelp(text).replace(/"/g, '\\"') : text;
}

/** Unescapes HELP of the text format, where quotes are not escaped. */
export function unescapeHelp(text: string): string {
  return text.includes("\\") ? unescapeAll(text, (part) => part) : text;
}

/** Escapes HELP for the text format. */
export function escapeHelp(text: string): string {
  return text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
}

/**
 * Unescapes backslashes and line feeds, and what `others` unescapes in between. Without callbacks per character, because
 * a text may consist of nothing but escapes.
 */
function unescapeAll(text: string, others: (text: string) => string): string {
  // A character that no byte string contains stands for an escaped backslash in the meantime.
  return others(text.replace(/\\\\/g, "\u0100"))
    .replace(/\\n/g, "\n")
    .replace(/\u0100/g, "\\");
}
