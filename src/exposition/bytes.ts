/* Bytes with a meaning in both formats. */
export const NUL = 0x00;
export const LINE_FEED = 0x0a;
export const SPACE = 0x20;
export const QUOTE = 0x22;
export const HASH = 0x23;
export const PLUS = 0x2b;
export const COMMA = 0x2c;
export const MINUS = 0x2d;
export const DOT = 0x2e;
export const ZERO = 0x30;
export const EQUALS = 0x3d;
export const BACKSLASH = 0x5c;
export const UNDERSCORE = 0x5f;
export const LOWER_E = 0x65;
export const LOWER_N = 0x6e;
export const BRACE_OPEN = 0x7b;
export const BRACE_CLOSE = 0x7d;
/** This byte and all higher ones belong to non-ASCII characters. */
export const FIRST_BEYOND_ASCII = 0x80;

/** First character of a metric name: `[a-zA-Z_:]`. */
const NAME_START = 1;
/** Any further character of a metric name: `[a-zA-Z0-9_:]`. */
const NAME_PART = 2;
/** First character of a label name: `[a-zA-Z_]`. */
const LABEL_START = 4;
/** Any further character of a label name: `[a-zA-Z0-9_]`. */
const LABEL_PART = 8;
/** Space or tab. */
const BLANK = 16;
/** Special in a quoted string: quote, backslash, line feed, NUL. */
const NOT_PLAIN = 32;
const DIGIT = 64;

/*
 * This table is in the same file as the loops over bytes because the compiler inlines a constant of the same module,
 * but not an imported one. That saves a quarter of the validation time.
 */
const classes = classify();

function classify(): Uint8Array {
  const table = new Uint8Array(256);
  const mark = (bytes: string, mask: number): void => {
    for (const character of bytes) table[character.charCodeAt(0)]! |= mask;
  };
  const letters = "abcdefghijklmnopqrstuvwxyz";
  mark(`${letters}${letters.toUpperCase()}_`, NAME_START | NAME_PART | LABEL_START | LABEL_PART);
  mark(":", NAME_START | NAME_PART);
  mark("0123456789", NAME_PART | LABEL_PART | DIGIT);
  mark(" \t", BLANK);
  mark('"\\\n\0', NOT_PLAIN);
  return table;
}

export function startsName(byte: number): boolean {
  return (classes[byte]! & NAME_START) !== 0;
}

export function startsLabel(byte: number): boolean {
  return (classes[byte]! & LABEL_START) !== 0;
}

export function isBlank(byte: number): boolean {
  return (classes[byte]! & BLANK) !== 0;
}

/** Whether every parser supports a backslash before this byte in a quoted string. */
export function isEscapable(byte: number): boolean {
  return byte === BACKSLASH || byte === QUOTE || byte === LOWER_N;
}

/*
 * Each skip function returns the first position at or after `start` whose byte is of another kind. Such a byte must
 * exist: the line feed at the end of the line is one.
 */

/** Skips the characters of a metric name. */
export function skipName(bytes: Uint8Array, start: number): number {
  let pos = start;
  while ((classes[bytes[pos]!]! & NAME_PART) !== 0) pos++;
  return pos;
}

/** Skips the characters of a label name. */
export function skipLabel(bytes: Uint8Array, start: number): number {
  let pos = start;
  while ((classes[bytes[pos]!]! & LABEL_PART) !== 0) pos++;
  return pos;
}

/** Skips spaces and tabs. */
export function skipBlanks(bytes: Uint8Array, start: number): number {
  let pos = start;
  while ((classes[bytes[pos]!]! & BLANK) !== 0) pos++;
  return pos;
}

/** Skips digits. */
export function skipDigits(bytes: Uint8Array, start: number): number {
  let pos = start;
  while ((classes[bytes[pos]!]! & DIGIT) !== 0) pos++;
  return pos;
}

/** Skips characters without special meaning in a quoted string. */
export function skipPlain(bytes: Uint8Array, start: number): number {
  let pos = start;
  while ((classes[bytes[pos]!]! & NOT_PLAIN) === 0) pos++;
  return pos;
}

/** Whether the bytes at `start` are those of `word`, a byte string. */
export function startsWith(bytes: Uint8Array, start: number, word: string): boolean {
  for (let index = 0; index < word.length; index++) {
    if (bytes[start + index] !== word.charCodeAt(index)) return false;
  }
  return true;
}

/** Whether the bytes from `start` to `end` are those of one of `words`, which are byte strings. */
export function isOneOf(bytes: Uint8Array, start: number, end: number, words: readonly string[]): boolean {
  return words.some((word) => end - start === word.length && startsWith(bytes, start, word));
}

/** A view of the same memory. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const hashFactor = 0x5bd1e995;

/** A 32-bit hash of the bytes from `start` to `end`, computed four bytes at a time. Different seeds yield different hashes. */
export function hashBytes(view: DataView, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start);
  let pos = start;
  for (const last = end - 4; pos <= last; pos += 4) {
    hash = Math.imul(hash ^ view.getInt32(pos, true), hashFactor);
    hash ^= hash >>> 15;
  }
  for (; pos < end; pos++) hash = Math.imul(hash ^ view.getUint8(pos), hashFactor);
  hash = Math.imul(hash ^ (hash >>> 13), hashFactor);
  return hash ^ (hash >>> 15);
}

/** The same hash of a byte string. */
export function hashText(text: string, seed: number): number {
  const bytes = Buffer.from(text, "latin1");
  return hashBytes(viewOf(bytes), 0, bytes.length, seed);
}
