import {
  type Document,
  type ErrorCode,
  isMap,
  isScalar,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  visit,
} from "yaml";

const maxAliases = 100;
/** Levels of nesting; no configuration file needs more than five. */
const maxDepth = 16;
/**
 * The library takes about 1.5 s per megabyte, several times as long if most of it is invalid, and blocks the event loop.
 */
const maxLength = 2 * 1024 * 1024;

/**
 * Parses YAML 1.2 with every scalar as its text. Checks limits first: the library is recursive, so deep nesting would
 * crash the process.
 *
 * @throws an Error with the reason in one line, with line and column if known. It never quotes the text, which may
 *   contain secrets.
 */
export function parseYaml(text: string): unknown {
  if (text.length > maxLength) throw new Error("YAML exceeds 2 MiB: use JSON");
  if (isTooDeep(text)) throw new Error(`nesting exceeds ${maxDepth} levels`);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    schema: "failsafe",
    logLevel: "error",
    lineCounter,
    // Both take quadratic time: one copies the line for each error in it, the other compares all keys.
    prettyErrors: false,
    uniqueKeys: false,
  });
  const [error] = document.errors;
  const fault = error ? { at: error.pos[0], why: reasonFor(error.code) } : findFault(document);
  if (fault !== undefined) {
    const { line, col } = lineCounter.linePos(fault.at);
    throw new Error(`line ${line}, column ${col}: ${fault.why}`);
  }
  return document.toJS({ maxAliasCount: maxAliases });
}

function isTooDeep(text: string): boolean {
  // Each level of a block needs at least one column at the beginning of some line.
  if (/^[ \t?:-]{200}/m.test(text)) return true;
  let depth = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === "[" || token === "{") depth++;
    if (token === "]" || token === "}") depth--;
    if (depth > maxDepth) return true;
  }
  return false;
}

/** Reasons for common error codes. The messages of the library quote the text. */
const reasons: Partial<Record<ErrorCode, string>> = {
  BAD_DQ_ESCAPE: "invalid escape sequence in double quotes",
  BAD_INDENT: "wrong indentation",
  BAD_SCALAR_START: "put a value that begins with this character in quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "nested mapping on one line; put a value that contains a colon and a space in quotes",
  MISSING_CHAR: "missing quote, bracket, comma, colon or space",
  MULTIPLE_DOCS: "more than one document",
  TAB_AS_INDENT: "use spaces for indentation, not tabs",
};

function reasonFor(code: ErrorCode): string {
  return reasons[code] ?? code.toLowerCase().replaceAll("_", " ");
}

interface Fault {
  /** Characters from the beginning of the text. */
  readonly at: number;
  readonly why: string;
}

/** The first duplicate key, or alias without an anchor before it or inside its own anchor, which would be infinite. */
function findFault(document: Document.Parsed): Fault | undefined {
  const anchors = new Map<string, Node>();
  let fault: Fault | undefined;
  const stopAt = ({ range }: Node, why: string) => {
    fault = { at: range?.[0] ?? 0, why };
    return visit.BREAK;
  };
  visit(document, {
    Value: (_key, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
      const duplicate = isMap(node) ? findDuplicate(node.items.map(({ key }) => key)) : undefined;
      return duplicate && stopAt(duplicate, "duplicate key");
    },
    Alias: (_key, alias, ancestors) => {
      const target = anchors.get(alias.source);
      if (target === undefined)
        return stopAt(alias, "alias without an anchor; put a value that begins with * in quotes");
      return ancestors.includes(target) ? stopAt(alias, "alias inside its own anchor") : undefined;
    },
  });
  return fault;
}

/** The first scalar that occurs twice. */
function findDuplicate(keys: readonly unknown[]): Scalar | undefined {
  const seen = new Set<unknown>();
  return keys.filter(isScalar).find(({ value }) => {
    const known = seen.has(value);
    seen.add(value);
    return known;
  });
}
