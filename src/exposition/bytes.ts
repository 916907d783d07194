/** The bytes that mean something in both formats. */
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
export const BRACE_OPEN = 0x7b;
export const BRACE_CLOSE = 0x7d;
/** This byte and all above are parts of characters beyond ASCII. */
export const FIRST_BEYOND_ASCII = 0x80;

/** May start a metric name: `[a-zA-Z_:]`. */
const NAME_START = 1;
/** May go on in a metric name: `[a-zA-Z0-9_:]`. */
const NAME_PART = 2;
/** May start a label name: `[a-zA-Z_]`. */
const LABEL_START = 4;
/** May go on in a label name: `[a-zA-Z0-9_]`. */
const LABEL_PART = 8;
/** Space or tab. */
const BLANK = 16;
/** All that needs a look within quotes: quote, backslash, line feed, NUL. */
const NOT_PLAIN = 32;
const DIGIT = 64;

/*
 * The table of classes stays in this file, with the loops that run over bytes: as a constant of the same module
 * it is compiled in, and an imported one is not. That makes the whole scan a quarter faster.
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

/*
 * Each of these answers the first position from `start` on whose byte is of another kind. There must be one: the
 * line feed that ends the lines is of no such kind.
 */

/** Past what may be in a metric name. */
export function skipName(bytes: Uint8Array, start: number): number {
  let pos = start;
  while ((classes[bytes[pos]!]! & NAME_PART) !== 0) pos++;
  return pos;
}

/** Past what may be in a label name. */
export function skipLabel(bytes: Uint8Array, start: number): number {
  let pos = start;
  while ((classes[bytes[pos]!]! & LABEL_PART) !== 0) pos++;
  return pos;
}

/** Past spaces and tabs. */
export function skipBlanks(bytes: Uint8Array, start: number): number {
  let pos = start;
  while ((classes[bytes[pos]!]! & BLANK) !== 0) pos++;
  return pos;
}

/** Past digits. */
export function skipDigits(bytes: Uint8Array, start: number): number {
  let pos = start;
  while ((classes[bytes[pos]!]! & DIGIT) !== 0) pos++;
  return pos;
}

/** Past what needs no look within quotes. */
export function skipPlain(bytes: Uint8Array, start: number): number {
  let pos = start;
  while ((classes[bytes[pos]!]! & NOT_PLAIN) === 0) pos++;
  return pos;
}

/** Whether the bytes from `start` on are those of `word`, which is ASCII. */
export function startsWith(bytes: Uint8Array, start: number, word: string): boolean {
  for (let index = 0; index < word.length; index++) {
    if (bytes[start + index] !== word.charCodeAt(index)) return false;
  }
  return true;
}

/** Whether the bytes between `start` and `end` are one of `words`, which are ASCII. */
export function isOneOf(bytes: Uint8Array, start: number, end: number, words: readonly string[]): boolean {
  for (const word of words) {
    if (end - start === word.length && startsWith(bytes, start, word)) return true;
  }
  return false;
}

/** The same bytes as a Buffer, not copied: its searches are native. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
