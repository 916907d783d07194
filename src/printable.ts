/** Control and format characters (such as those that reverse the direction of text), line separators, lone surrogates. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** Those that JSON.stringify does not escape. */
const unprintableInJson = /[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The longest text that is shown, in characters. */
export const maxPrintedLength = 2000;

/**
 * A text of any origin for a terminal, a log or an error: in one line, characters that a terminal would act on are
 * escaped as in `\u001b`, and what exceeds `most` characters is replaced by an ellipsis.
 */
export function printable(text: string, most = maxPrintedLength): string {
  const shown = text.slice(0, most + 1).replace(unprintable, escaped);
  if (shown.length <= most) return shown;
  return `${shown.slice(0, most - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** The lines of a text, each of them printable. */
export function printableLines(text: string): string {
  return text
    .split("\n")
    .map((line) => printable(line))
    .join("\n");
}

/** The same JSON value with all such characters escaped. */
export function printableJson(value: unknown, space?: number): string {
  return escapeJson(JSON.stringify(value, undefined, space));
}

/** Escapes such characters in JSON. They can only be in its strings, so the value stays the same. */
export function escapeJson(json: string): string {
  return json.replace(unprintableInJson, escaped);
}

/** One escape for each UTF-16 unit, as in JSON. */
function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`,
  ).join("");
}
