import {
  type Document,
  type ErrorCode,
  isScalar,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from "yaml";

const maxAliases = 100;
/** Levels of nesting; the format has three. */
const maxDepth = 16;
/**
 * The library takes about 1.5 s for a megabyte, and some times as long where most of it is wrong, in one go, while
 * nothing else is served.
 */
const maxLength = 2 * 1024 * 1024;

/**
 * Reads YAML 1.2, every scalar as the text that is written. Bounds come first, for the library reads by
 * recursion: deep nesting would end the process, not only the call.
 *
 * @throws an Error with the reason in one line, and line and column where it has a place. It quotes nothing of the
 *   text: that may be a secret.
 */
export function parseYaml(text: string): unknown {
  if (text.length > maxLength) throw new Error("more than 2 MiB of YAML: write it as JSON");
  if (isTooDeep(text)) throw new Error(`it is nested deeper than ${maxDepth} levels`);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    schema: "failsafe",
    logLevel: "error",
    lineCounter,
    // Both take time that is squared: the one copies the line for each fault in it, the other compares all keys.
    prettyErrors: false,
    uniqueKeys: false,
  });
  const [error] = document.errors;
  const fault = error && { at: error.pos[0], why: wordsOf(error.code) };
  const { at, why } = fault ?? findTwin(document) ?? findBadAlias(document) ?? {};
  if (at !== undefined) {
    const { line, col } = lineCounter.linePos(at);
    throw new Error(`line ${line}, column ${col}: ${why}`);
  }
  return document.toJS({ maxAliasCount: maxAliases });
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

/** The library's reasons that people meet; its own words quote the text. */
const words: Partial<Record<ErrorCode, string>> = {
  BAD_DQ_ESCAPE: "no such escape in a text in double quotes",
  BAD_INDENT: "it is not indented as what it belongs to",
  BAD_SCALAR_START: "a value that begins with this character goes in quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "a map in the line of another; a value with a colon and a space in it goes in quotes",
  MISSING_CHAR: "a quote, bracket, comma, colon or space is missing",
  MULTIPLE_DOCS: "more than one document",
  TAB_AS_INDENT: "tabs do not indent",
};

function wordsOf(code: ErrorCode): string {
  return words[code] ?? code.toLowerCase().replaceAll("_", " ");
}

interface Fault {
  /** Characters from the beginning of the text. */
  readonly at: number;
  readonly why: string;
}

/** The first key that its map has already. */
function findTwin(document: Document.Parsed): Fault | undefined {
  let fault: Fault | undefined;
  visit(document, {
    Map: (_key, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) {
          fault = { at: key.range?.[0] ?? 0, why: "a key is there twice" };
          return visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
  return fault;
}

/** The first alias without an anchor before it, or inside of what it stands for: that would have no end. */
function findBadAlias(document: Document.Parsed): Fault | undefined {
  const anchors = new Map<string, Node>();
  let fault: Fault | undefined;
  visit(document, {
    Value: (_key, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
    Alias: (_key, { source, range }, ancestors) => {
      const meant = anchors.get(source);
      if (meant !== undefined && !ancestors.includes(meant)) return undefined;
      const why =
        meant === undefined
          ? "an alias that leads nowhere: a value that begins with * goes in quotes"
          : "an alias that leads back to where it stands";
      fault = { at: range?.[0] ?? 0, why };
      return visit.BREAK;
    },
  });
  return fault;
}
