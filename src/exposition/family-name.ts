import { BACKSLASH, LINE_FEED, QUOTE, skipName, startsName } from "./bytes.js";

/**
 * Reads the metric name of a HELP, TYPE or UNIT line, bare or in quotes. There is a line feed behind it.
 *
 * Answers the position behind it, or -1 where there is none.
 */
export function scanFamilyName(bytes: Uint8Array, start: number): number {
  let pos = start;
  if (bytes[pos] === QUOTE) {
    for (pos++; bytes[pos] !== QUOTE; pos++) {
      if (bytes[pos] === BACKSLASH) pos++;
      if (bytes[pos] === LINE_FEED) return -1;
    }
    return pos + 1;
  }
  return startsName(bytes[pos]!) ? skipName(bytes, pos) : -1;
}
