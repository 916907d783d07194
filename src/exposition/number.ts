import { DOT, LOWER_E, MINUS, PLUS, skipDigits, ZERO } from "./bytes.js";
import type { Format } from "./format.js";

/*
 * Validates numbers as Prometheus reads them (Go's strconv, without hexadecimal floats and underscores). It works on
 * the bytes: nearly no sample needs an allocation.
 *
 * Each function takes the position of the first byte and returns the position after the number, or -1 if there is none.
 * A byte that cannot be part of a number, such as a line feed, must follow.
 */

/** This many digits with a two-digit exponent are far below the largest float64 (about 1.8e308). */
const safeDigits = 200;
const safeExponentDigits = 2;
/** The largest timestamp of the text format. */
const maxTimestamp = 2n ** 63n - 1n;

/** A sample value: a float, or `Inf`, `Infinity` (both with optional sign) or `NaN` in upper or lower case. */
export function scanValue(bytes: Buffer, start: number): number {
  const end = scanFloat(bytes, start);
  return end >= 0 ? end : scanWord(bytes, start);
}

/** A finite float: optional sign, digits with at most one point, optional exponent. Must not exceed float64. */
export function scanFloat(bytes: Buffer, start: number): number {
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
  return Number.isFinite(Number(bytes.toString("latin1", start, pos))) ? pos : -1;
}

/** A timestamp of the text format: milliseconds, only digits, at most 2^63 - 1. */
export function scanMilliseconds(bytes: Buffer, start: number): number {
  let significant = start;
  while (bytes[significant] === ZERO) significant++;
  const pos = skipDigits(bytes, significant);
  const digits = pos - significant;
  if (pos === start || digits > 19) return -1;
  if (digits < 19) return pos;
  return bytes.toString("latin1", significant, pos) <= "9223372036854775807" ? pos : -1;
}

function skipSign(bytes: Buffer, start: number): number {
  return bytes[start] === PLUS || bytes[start] === MINUS ? start + 1 : start;
}

function scanWord(bytes: Buffer, start: number): number {
  const word = skipSign(bytes, start);
  if (isWord(bytes, word, "infinity")) return word + 8;
  if (isWord(bytes, word, "inf")) return word + 3;
  return word === start && isWord(bytes, word, "nan") ? word + 3 : -1;
}

function isWord(bytes: Buffer, start: number, word: string): boolean {
  for (let index = 0; index < word.length; index++) {
    if ((bytes[start + index]! | 0x20) !== word.charCodeAt(index)) return false;
  }
  return true;
}

/**
 * Writes a timestamp, which OpenMetrics has in seconds. Prometheus multiplies them by 1000 and truncates. If rounding
 * would lose a millisecond, as from the year 2038 on, half a millisecond is added.
 */
export function writeTimestamp(milliseconds: number, format: Format): string {
  if (format === "text") return String(milliseconds);
  const seconds = milliseconds / 1000;
  return String(Math.trunc(seconds * 1000) === milliseconds ? seconds : (milliseconds + 0.5) / 1000);
}

/**
 * Converts an OpenMetrics timestamp in seconds to milliseconds, truncated like in Prometheus. The text format has no
 * times before 1970 or beyond 63 bits. They become its smallest and its largest timestamp, which a server rejects just
 * like the original ones.
 */
export function toMilliseconds(seconds: string): string {
  const milliseconds = Math.trunc(Number(seconds) * 1000);
  if (!(milliseconds > 0)) return "0";
  if (milliseconds >= Number(maxTimestamp)) return String(maxTimestamp);
  return String(BigInt(milliseconds));
}
