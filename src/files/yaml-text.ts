import { Lexer, parse } from "yaml";

const maxAliases = 100;
/** Levels of nesting; the format has three. */
const maxDepth = 16;
/** The library takes about 1.5 s for a megabyte, in one go, while nothing else is served. */
const maxLength = 2 * 1024 * 1024;

/**
 * Reads YAML 1.2, every scalar as the text that is written. Bounds come first, for the library reads by
 * recursion: deep nesting would end the process, not only the call.
 *
 * @throws an Error with the reason.
 */
export function parseYaml(text: string): unknown {
  if (text.length > maxLength) throw new Error("more than 2 MiB of YAML: write it as JSON");
  if (isTooDeep(text)) throw new Error(`it is nested deeper than ${maxDepth} levels`);
  return parse(text, { schema: "failsafe", logLevel: "error", maxAliasCount: maxAliases });
}

function isTooDeep(text: string): boolean {
  // A level of a block takes at least one column at the beginning of some line.
  if (/^[ \t?:-]{200}/m.test(text)) return true;
  let depth = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === "[" || token === "{") depth++;
    if (token === "]" || token === "}") depth--;
    if (depth > maxDepth) return true;
  }
  return false;
}
