import {
  BACKSLASH,
  BRACE_CLOSE,
  BRACE_OPEN,
  COMMA,
  EQUALS,
  hashBytes,
  isEscapable,
  LINE_FEED,
  LOWER_N,
  NUL,
  QUOTE,
  skipBlanks,
  skipLabel,
  skipName,
  skipPlain,
  startsLabel,
  startsName,
  startsWith,
  viewOf,
} from "./bytes.js";
import type { Format } from "./format.js";
import { unescapeQuoted } from "./series.js";

/**
 * Reads a series in any valid spelling, and spells it so that every parser accepts it, like writeSeries. One instance is
 * reused for all series, and it allocates nothing, because a hostile source may have no two lines that are alike.
 */
export class SeriesReader {
  /** The position after the series in the source. */
  end = 0;
  /** Whether the source spells the series as every parser accepts it; a comma after the last label is allowed. */
  canonical = true;
  /** The memory with the canonical spelling: the source, or else a buffer of this reader. All positions refer to it. */
  bytes: Buffer = Buffer.alloc(1024);
  view = viewOf(this.bytes);
  start = 0;
  stop = 0;
  /** Bounds of the metric name, without quotes. */
  nameStart = 0;
  nameEnd = 0;
  /** Whether the name must be quoted. */
  quoted = false;
  /** Number of labels, without those that have an empty value: they count as missing. */
  labels = 0;
  /** Start and end of the name and of the value of each label, without quotes: four numbers per label. */
  bounds = new Int32Array(64);
  private respelled = this.bytes;
  private respelledView = this.view;

  /** Reads the series at `start`. The bytes must be valid. */
  read(bytes: Buffer, view: DataView, start: number, format: Format): void {
    this.bytes = bytes;
    this.view = view;
    this.start = start;
    this.nameStart = start;
    this.nameEnd = skipName(bytes, start);
    this.quoted = false;
    this.labels = 0;
    this.canonical = true;
    const brace = skipBlanks(bytes, this.nameEnd);
    if (bytes[brace] === BRACE_OPEN) {
      if (brace > this.nameEnd) this.canonical = false;
      this.end = this.readLabels(brace + 1, format);
      this.quoted = !isName(bytes, this.nameStart, this.nameEnd);
      if (!this.quoted && (this.labels === 0 || this.nameStart > start)) this.canonical = false;
    } else {
      this.end = this.nameEnd;
    }
    this.stop = this.end;
    if (!this.canonical) this.respell();
  }

  /** The metric name, as a byte string without escapes. */
  name(): string {
    return this.text(this.nameStart, this.nameEnd);
  }

  /** Whether this is the metric name, a byte string without escapes. */
  isNamed(name: string): boolean {
    const { bytes, nameEnd, nameStart, quoted } = this;
    if (quoted) return this.name() === name;
    return nameEnd - nameStart === name.length && startsWith(bytes, nameStart, name);
  }

  /** The names of the labels, as byte strings without escapes. */
  labelNames(): string[] {
    const { bounds } = this;
    return Array.from({ length: this.labels }, (_, label) =>
      this.text(bounds[4 * label]!, bounds[4 * label + 1]!),
    );
  }

  /** Whether a label has this name, a byte string with escapes. */
  hasLabel(name: string): boolean {
    const { bounds, bytes, labels } = this;
    for (let at = 0; at < 4 * labels; at += 4) {
      if (bounds[at + 1]! - bounds[at]! === name.length && startsWith(bytes, bounds[at]!, name)) return true;
    }
    return false;
  }

  /** Whether a label has the name of the metric. */
  hasOwnLabel(): boolean {
    const { bounds, bytes, labels, nameEnd, nameStart } = this;
    for (let at = 0; at < 4 * labels; at += 4) {
      const from = bounds[at]!;
      const to = bounds[at + 1]!;
      if (to - from === nameEnd - nameStart && bytes.compare(bytes, from, to, nameStart, nameEnd) === 0)
        return true;
    }
    return false;
  }

  /** A hash of the metric name. */
  nameHash(salt: number): number {
    return hashBytes(this.view, this.nameStart, this.nameEnd, ~salt);
  }

  /** A hash of the name of a label. It is the seed for the hash of its value. */
  labelHash(label: number, salt: number): number {
    return hashBytes(this.view, this.bounds[4 * label]!, this.bounds[4 * label + 1]!, salt);
  }

  /** A hash of the series that depends neither on the order nor on the spelling of the labels. */
  hash(salt: number): number {
    const { bounds, labels, view } = this;
    let sum = this.nameHash(salt);
    for (let label = 0; label < labels; label++) {
      const seed = this.labelHash(label, salt);
      sum = (sum + hashBytes(view, bounds[4 * label + 2]!, bounds[4 * label + 3]!, seed)) | 0;
    }
    return sum;
  }

  /** A hash of the metric name and of the label names in their order. */
  shapeHash(salt: number): number {
    let hash = this.nameHash(salt);
    for (let label = 0; label < this.labels; label++) hash = this.labelHash(label, salt ^ hash);
    return hash;
  }

  private text(start: number, end: number): string {
    return unescapeQuoted(this.bytes.toString("latin1", start, end));
  }

  /** Reads the labels after the `{` before `start`. Returns the position after the `}`. */
  private readLabels(start: number, format: Format): number {
    const { bytes } = this;
    let pos = start;
    for (let items = 0; ; items++) {
      const gap = pos;
      let commas = 0;
      for (pos = skipBlanks(bytes, pos); bytes[pos] === COMMA; pos = skipBlanks(bytes, pos + 1)) commas++;
      const closes = bytes[pos] === BRACE_CLOSE;
      const most = items > 0 && !(closes && format !== "text") ? 1 : 0;
      if (commas !== pos - gap || commas > most || (!closes && commas < most)) this.canonical = false;
      if (closes) return pos + 1;
      pos = this.readItem(pos, items);
    }
  }

  /** Reads a label, or the metric name in quotes. Returns the position after it. */
  private readItem(start: number, index: number): number {
    const { bytes } = this;
    const quotes = bytes[start] === QUOTE ? 1 : 0;
    const nameStart = start + quotes;
    const nameStop = quotes ? this.skipText(nameStart) : skipLabel(bytes, start);
    const nameEnd = nameStop - quotes;
    const equals = skipBlanks(bytes, nameStop);
    if (bytes[equals] !== EQUALS) {
      if (index > 0) this.canonical = false;
      this.nameStart = nameStart;
      this.nameEnd = nameEnd;
      return nameStop;
    }
    const quote = skipBlanks(bytes, equals + 1);
    if (quote - nameStop !== 1 || (quotes && isLabelName(bytes, nameStart, nameEnd))) this.canonical = false;
    const stop = this.skipText(quote + 1);
    if (stop - quote === 2) {
      this.canonical = false;
      return stop;
    }
    if (4 * this.labels === this.bounds.length) {
      const grown = new Int32Array(2 * this.bounds.length);
      grown.set(this.bounds);
      this.bounds = grown;
    }
    this.setBounds(this.labels++, nameStart, nameEnd, quote + 1, stop - 1);
    return stop;
  }

  private setBounds(label: number, nameStart: number, nameEnd: number, start: number, end: number): void {
    const { bounds } = this;
    bounds[4 * label] = nameStart;
    bounds[4 * label + 1] = nameEnd;
    bounds[4 * label + 2] = start;
    bounds[4 * label + 3] = end;
  }

  /** The position after the closing quote of the string that starts at `start`. */
  private skipText(start: number): number {
    const { bytes } = this;
    for (let pos = start; ; pos++) {
      pos = skipPlain(bytes, pos);
      if (bytes[pos] === QUOTE) return pos + 1;
      if (bytes[pos] === BACKSLASH && isEscapable(bytes[pos + 1]!)) {
        pos++;
        continue;
      }
      this.canonical = false;
      if (bytes[pos] === BACKSLASH) {
        // Like the scanners: a NUL is skipped.
        do pos++;
        while (bytes[pos] === NUL);
      }
    }
  }

  /** Writes the canonical spelling to the buffer of this reader. */
  private respell(): void {
    const { bounds, bytes, labels, quoted } = this;
    // Each byte becomes two at most, and each label needs a comma.
    const space = 2 * (this.end - this.start) + 16;
    if (this.respelled.length < space) {
      this.respelled = Buffer.allocUnsafeSlow(2 * space);
      this.respelledView = viewOf(this.respelled);
    }
    const to = this.respelled;
    let at = 0;
    if (quoted) {
      to[at++] = BRACE_OPEN;
      to[at++] = QUOTE;
    }
    const start = at;
    at = respellText(bytes, this.nameStart, this.nameEnd, to, at);
    this.nameStart = start;
    this.nameEnd = at;
    if (quoted) to[at++] = QUOTE;
    for (let label = 0; label < labels; label++) {
      to[at++] = label === 0 && !quoted ? BRACE_OPEN : COMMA;
      const bare = isLabelName(bytes, bounds[4 * label]!, bounds[4 * label + 1]!);
      if (!bare) to[at++] = QUOTE;
      const nameStart = at;
      at = respellText(bytes, bounds[4 * label]!, bounds[4 * label + 1]!, to, at);
      const nameEnd = at;
      if (!bare) to[at++] = QUOTE;
      to[at++] = EQUALS;
      to[at++] = QUOTE;
      const valueStart = at;
      at = respellText(bytes, bounds[4 * label + 2]!, bounds[4 * label + 3]!, to, at);
      this.setBounds(label, nameStart, nameEnd, valueStart, at);
      to[at++] = QUOTE;
    }
    if (quoted || labels > 0) to[at++] = BRACE_CLOSE;
    this.bytes = to;
    this.view = this.respelledView;
    this.start = 0;
    this.stop = at;
  }
}

/** Writes a string to `at`, with the three escapes that every parser supports. Returns the position after it. */
function respellText(bytes: Buffer, start: number, end: number, to: Buffer, at: number): number {
  let out = at;
  for (let pos = start; pos < end; pos++) {
    const byte = bytes[pos]!;
    if (byte === LINE_FEED) {
      to[out++] = BACKSLASH;
      to[out++] = LOWER_N;
      continue;
    }
    if (byte === BACKSLASH && pos + 1 < end && isEscapable(bytes[pos + 1]!)) {
      to[out++] = BACKSLASH;
      to[out++] = bytes[++pos]!;
      continue;
    }
    if (byte === BACKSLASH || byte === QUOTE) to[out++] = BACKSLASH;
    to[out++] = byte;
  }
  return out;
}

/** Whether the bytes, followed by another character, form a metric name that needs no quotes. */
function isName(bytes: Buffer, start: number, end: number): boolean {
  return startsName(bytes[start]!) && skipName(bytes, start) === end;
}

/** Whether the bytes, followed by another character, form a label name that needs no quotes. */
function isLabelName(bytes: Buffer, start: number, end: number): boolean {
  return startsLabel(bytes[start]!) && skipLabel(bytes, start) === end;
}
