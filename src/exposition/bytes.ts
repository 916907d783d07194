/** The bytes that mean something in both formats. */
export const NUL = 0x00;
export const TAB = 0x09;
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

/** May start a metric name: `[a-zA-Z_:]`. */
export const NAME_START = 1;
/** May go on in a metric name: `[a-zA-Z0-9_:]`. */
export const NAME_PART = 2;
/** May start a label name: `[a-zA-Z_]`. */
export const LABEL_START = 4;
/** May go on in a label name: `[a-zA-Z0-9_]`. */
export const LABEL_PART = 8;
/** Space or tab. */
export const BLANK = 16;
/** What a scan of a quoted string has to stop at: quote, backslash, line feed, NUL. */
export const QUOTED_STOP = 32;

/** For each byte the sum of its classes above. */
export const classes: Uint8Array = classify();

function classify(): Uint8Array {
  const table = new Uint8Array(256);
  const letters = NAME_START | NAME_PART | LABEL_START | LABEL_PART;
  const mark = (bytes: string, mask: number): void => {
    for (const character of bytes) table[character.charCodeAt(0)]! |= mask;
  };
  mark("abcdefghijklmnopqrstuvwxyz", letters);
  mark("ABCDEFGHIJKLMNOPQRSTUVWXYZ", letters);
  mark("_", letters);
  mark(":", NAME_START | NAME_PART);
  mark("0123456789", NAME_PART | LABEL_PART);
  mark(" \t", BLANK);
  mark('"\\\n\0', QUOTED_STOP);
  return table;
}

/** Whether `byte` is an ASCII digit. */
export function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= ZERO + 9;
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
