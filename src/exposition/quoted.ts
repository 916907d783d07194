/*
 * Names and texts of an exposition are handled as byte strings (latin1, one character per byte), so that they leave
 * the proxy exactly as they were received.
 */

/** Converts text to a byte string. */
export function toByteString(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** Converts a byte string to text. */
export function fromByteString(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString();
}

/** Unescapes a quoted string like Prometheus: a backslash before any other character is kept. */
export function unescapeQuoted(text: string): string {
  return text.includes("\\") ? text.replace(/\\([\\"n])/g, (_, character) => unescaped(character)) : text;
}

/** Escapes a quoted string, only with the three escapes that every parser supports. */
export function escapeQuoted(text: string): string {
  return /[\\"\n]/.test(text) ? text.replace(/[\\"\n]/g, escaped) : text;
}

/** Unescapes HELP of the text format, where quotes are not escaped. */
export function unescapeHelp(text: string): string {
  return text.includes("\\") ? text.replace(/\\([\\n])/g, (_, character) => unescaped(character)) : text;
}

/** Escapes HELP for the text format. */
export function escapeHelp(text: string): string {
  return text.replace(/[\\\n]/g, escaped);
}

function unescaped(character: string): string {
  return character === "n" ? "\n" : character;
}

function escaped(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}
