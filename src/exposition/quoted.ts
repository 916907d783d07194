/*
 * Texts within an exposition are handled as strings of bytes (latin1, a character for each byte): they go out as
 * they came in, whatever they say.
 */

/** The bytes of a text, a character for each. */
export function toByteString(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** The text that the bytes are. */
export function fromByteString(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString();
}

/** What stands between quotes, as Prometheus reads it: a backslash before anything else stands for itself. */
export function unescapeQuoted(text: string): string {
  return text.includes("\\") ? text.replace(/\\([\\"n])/g, (_, character) => unescaped(character)) : text;
}

/** A text for between quotes, with no more than the three escapes that every parser knows. */
export function escapeQuoted(text: string): string {
  return /[\\"\n]/.test(text) ? text.replace(/[\\"\n]/g, escaped) : text;
}

/** What HELP says in the text format, where a quote needs no escape. */
export function unescapeHelp(text: string): string {
  return text.includes("\\") ? text.replace(/\\([\\n])/g, (_, character) => unescaped(character)) : text;
}

/** A text for HELP in the text format. */
export function escapeHelp(text: string): string {
  return text.replace(/[\\\n]/g, escaped);
}

function unescaped(character: string): string {
  return character === "n" ? "\n" : character;
}

function escaped(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}
