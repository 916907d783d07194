/** Longest name that is taken, in characters: a file name on every common file system still holds it. */
const maxLength = 200;

/**
 * Whether a text survives as one segment of a URL's path once it is percent-encoded: not empty, not `.` or `..`
 * (a client resolves these away, encoded or not), not `-` (administration lives there), no control characters,
 * no lone surrogates (they cannot be encoded), at most 200 characters. A slash is fine: it travels as `%2F`.
 */
export function isEncodableSegment(text: string): boolean {
  if (text === "" || text.length > maxLength) return false;
  if (text === "." || text === ".." || text === "-") return false;
  return !/[\p{Cc}\p{Cs}]/u.test(text);
}

/** An encodable segment without a slash, so that a person can type it as it is. */
export function isPathSegment(text: string): boolean {
  return isEncodableSegment(text) && !text.includes("/");
}

/** A text for a message: quoted, its odd characters escaped, cut where it has more characters than `most`. */
export function quoted(text: string, most = 60): string {
  return JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text);
}
