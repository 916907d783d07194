import { asBuffer, DOT, LOWER_E, MINUS, PLUS, skipDigits, ZERO } from "./bytes.js";

/*
 * Numbers as Prometheus reads them (Go's strconv, without hexadecimal floats and underscores), told valid or
 * not on the bytes alone: on the way that nearly every sample takes nothing is allocated.
 *
 * All of them take the position of the first byte and need a byte behind the number that cannot belong to it,
 * such as the line feed. All answer the position behind the number, or -1 where there is none.
 */

/** So many digits, shifted by an exponent of two digits, are far from the largest float64 (about 1.8e308). */
const safeDigits = 200;
const safeExponentDigits = 2;

/** A sample's value: a float, or `Inf`, `Infinity`, `NaN` in any case, the infinities with or without sign. */
export function scanValue(bytes: Uint8Array, start: number): number {
  const end = scanFloat(bytes, start);
  return end >= 0 ? end : scanWord(bytes, start);
}

/** A finite float: sign, digits with at most one point among them, exponent. One beyond float64 is refused. */
export function scanFloat(bytes: Uint8Array, start: number): number {
  const whole = skipSign(bytes, start);
  let pos = skipDigits(bytes, whole);
  let digits = pos - whole;
  if (bytes[pos] === DOT) {
    const fraction = pos + 1;
    pos = skipDigits(bytes, fraction);
    digits += pos - fraction;
  }
  if (digits === 0) return -1;
  let exponentDigits = 0;
  if ((bytes[pos]! | 0x20) === LOWER_E) {
    const exponent = skipSign(bytes, pos + 1);
    pos = skipDigits(bytes, exponent);
    exponentDigits = pos - exponent;
    if (exponentDigits === 0) return -1;
  }
  if (digits <= safeDigits && exponentDigits <= safeExponentDigits) return pos;
  return Number.isFinite(Number(asBuffer(bytes).toString("latin1", start, pos))) ? pos : -1;
}

/** A time in the text format: milliseconds, digits only, at most 2^63 - 1. */
export function scanMilliseconds(bytes: Uint8Array, start: number): number {
  let significant = start;
  while (bytes[significant] === ZERO) significant++;
  const pos = skipDigits(bytes, significant);
  const digits = pos - significant;
  if (pos === start || digits > 19) return -1;
  if (digits < 19) return pos;
  return asBuffer(bytes).toString("latin1", significant, pos) <= "9223372036854775807" ? pos : -1;
}

function skipSign(bytes: Uint8Array, start: number): number {
  return bytes[start] === PLUS || bytes[start] === MINUS ? start + 1 : start;
}

function scanWord(bytes: Uint8Array, start: number): number {
  const word = skipSign(bytes, start);
  if (isWord(bytes, word, "infinity")) return word + 8;
  if (isWord(bytes, word, "inf")) return word + 3;
  return word === start && isWord(bytes, word, "nan") ? word + 3 : -1;
}

function isWord(bytes: Uint8Array, start: number, word: string): boolean {
  for (let index = 0; index < word.length; index++) {
    const byte = bytes[start + index];
    if (byte === undefined || (byte | 0x20) !== word.charCodeAt(index)) return false;
  }
  return true;
}
