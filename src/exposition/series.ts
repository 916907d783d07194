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
import { escapeQuoted, unescapeQuoted } from "./quoted.js";

/** A label's name and its value, which is not empty; both as byte strings, without quotes and escapes. */
export type Label = readonly [name: string, value: string];

/** What a sample belongs to. */
export interface Series {
  /** The metric's name, as a byte string without quotes and escapes. */
  readonly name: string;
  /** Labels without value are left out: they are as good as none. */
  readonly labels: readonly Label[];
}

/** A series, and where it was found. */
export interface FoundSeries extends Series {
  /** The position behind it. */
  readonly end: number;
  /** For each label where its name and its value begin and end, without quotes: four numbers. */
  readonly bounds: readonly number[];
}

/** Reads the series at `start`, however it is spelled. The bytes are known to be valid. */
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

/** A series as every parser reads it; names that need it are in quotes. A byte string. */
export function writeSeries({ name, labels }: Series): string {
  const list = writeLabels(labels);
  if (!needsQuotes(name)) return list === "" ? name : `${name}{${list}}`;
  return list === "" ? `{${quote(name)}}` : `{${quote(name)},${list}}`;
}

/** What stands between the braces for some labels. */
export function writeLabels(labels: readonly Label[]): string {
  return labels.map(([name, value]) => `${writeLabelName(name)}=${quote(value)}`).join(",");
}

/** A metric's name as it stands in HELP and TYPE. */
export function writeName(name: string): string {
  return needsQuotes(name) ? quote(name) : name;
}

/** Whether a metric's name can only be written in quotes. */
export function needsQuotes(name: string): boolean {
  return !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name);
}

function writeLabelName(name: string): string {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : quote(name);
}

/** Makes a byte string one in quotes. */
export function quote(text: string): string {
  return `"${escapeQuoted(text)}"`;
}

/** The position behind the closing quote of what begins at `start`. */
function skipQuoted(bytes: Buffer, start: number): number {
  for (let pos = start; ; pos++) {
    pos = skipPlain(bytes, pos);
    if (bytes[pos] === QUOTE) return pos + 1;
    if (bytes[pos] === BACKSLASH) {
      // As the scanners read it: a NUL is passed over as if it were not there.
      do pos++;
      while (bytes[pos] === NUL);
    }
  }
}
