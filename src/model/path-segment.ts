import { printable } from "../printable.js";

/** In characters. */
const maxLength = 200;

/**
 * Whether a text is valid as one percent-encoded segment of a URL path: not empty, not `.` or `..` (clients resolve
 * them, encoded or not), not `-` (reserved for administration), no lone surrogates (they cannot be encoded), no control
 * and format characters and no line separators (they are invisible in a name, and those that reverse the direction
 * of text make one name look like another), at most 200 characters. A slash is allowed: it becomes `%2F`.
 */
export function isEncodableSegment(text: string): boolean {
  if (text === "" || text.length > maxLength) return false;
  if (text === "." || text === ".." || text === "-") return false;
  return printable(text) === text;
}

/** Whether a text is an encodable segment without a slash, which is easy to type in a URL. */
export function isPathSegment(text: string): boolean {
  return isEncodableSegment(text) && !text.includes("/");
}

/** Quotes a text for a message: escaped, and shortened to `most` characters. */
export function quoted(text: string, most = 60): string {
  return printable(JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text));
}
