import type { Format } from "../../src/exposition/format.js";

/** A parsed sample. */
export interface ReadSample {
  readonly name: string;
  /** Sorted by name, without labels that have an empty value. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  /** As written. */
  readonly value: string;
  /** As written: milliseconds in the text format, seconds in OpenMetrics. */
  readonly time: string | undefined;
  /** As written, starting with `{`. */
  readonly exemplar: string | undefined;
}

/** A parsed exposition. */
export interface ReadExposition {
  readonly samples: readonly ReadSample[];
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;
}

/**
 * Parses a valid exposition, one character at a time. Independent of the code under test.
 */
export function readExposition(bytes: Uint8Array, format: Format): ReadExposition {
  // latin1, because comments may contain invalid UTF-8. Everything else is decoded below.
  const text = Buffer.from(bytes).toString("latin1");
  const samples: ReadSample[] = [];
  const types = new Map<string, string>();
  const helps = new Map<string, string>();
  let pos = 0;
  const blanks = () => {
    while (text[pos] === " " || text[pos] === "\t") pos++;
  };
  const takeWhile = (allowed: RegExp) => {
    const start = pos;
    while (pos < text.length && allowed.test(text[pos]!)) pos++;
    return text.slice(start, pos);
  };
  const quoted = () => {
    let raw = "";
    for (pos++; text[pos] !== '"'; pos++) {
      if (text[pos] === "\\") {
        do raw += text[pos++];
        while (text[pos] === "\0");
      }
      raw += text[pos];
    }
    pos++;
    return unescaped(raw, /\\(["\\n])/g);
  };
  const series = () => {
    let name = takeWhile(/[a-zA-Z0-9_:]/);
    const labels: [string, string][] = [];
    blanks();
    if (text[pos] === "{") {
      pos++;
      for (;;) {
        takeWhile(/[ \t,]/);
        if (text[pos] === "}") break;
        const word = text[pos] === '"' ? quoted() : takeWhile(/[a-zA-Z0-9_]/);
        blanks();
        if (text[pos] === "=") {
          pos++;
          blanks();
          labels.push([utf8(word), utf8(quoted())]);
        } else {
          name = word;
        }
      }
      pos++;
    }
    const kept = labels.filter(([, value]) => value !== "").sort(([one], [other]) => (one < other ? -1 : 1));
    return { name: utf8(name), labels: kept };
  };

  for (; pos < text.length; pos++) {
    blanks();
    if (text[pos] === "\n" || pos >= text.length) continue;
    if (text[pos] === "\0") break;
    const lineEnd = text.indexOf("\n", pos) < 0 ? text.length : text.indexOf("\n", pos);
    if (text[pos] === "#") {
      const line = text.slice(pos, lineEnd);
      if (format === "text" && /^#[^ \t]/.test(line) && line.includes("\0")) break;
      const match =
        /^#[ \t]+(HELP|TYPE)[ \t]+("(?:[^"\\]|\\.)*"|[a-zA-Z_:][a-zA-Z0-9_:]*)(?:[\s\S]([\s\S]*))?$/.exec(
          line,
        );
      if (match) {
        const name = match[2]!.startsWith('"') ? unescaped(match[2]!.slice(1, -1), /\\(["\\n])/g) : match[2]!;
        const escapes = format === "text" ? /\\([\\n])/g : /\\(["\\n])/g;
        const known = match[1] === "HELP" ? helps : types;
        const content = utf8(unescaped(match[3] ?? "", escapes));
        if (content !== "" && !known.has(utf8(name))) known.set(utf8(name), content);
      }
      pos = lineEnd;
      continue;
    }
    const { name, labels } = series();
    blanks();
    const value = takeWhile(/[^ \t\n]/);
    blanks();
    const time = text[pos] === "#" ? "" : takeWhile(/[^ \t\n]/);
    blanks();
    let exemplar: string | undefined;
    if (text[pos] === "#") {
      const end = text.indexOf("\n", pos) < 0 ? text.length : text.indexOf("\n", pos);
      exemplar = utf8(text.slice(pos + 2, end));
      pos = end;
    }
    samples.push({ name, labels, value, time: time || undefined, exemplar });
  }
  return { samples, types, helps };
}

/** A key of the series of a sample, for comparisons. */
export function seriesKey({ name, labels }: Pick<ReadSample, "name" | "labels">): string {
  return JSON.stringify([name, labels]);
}

/** A key of all parts of a sample, for comparisons. */
export function sampleKey({ name, labels, value, time, exemplar }: ReadSample): string {
  return JSON.stringify([name, labels, value, time, exemplar]);
}

function unescaped(raw: string, escapes: RegExp): string {
  return raw.replace(escapes, (_, character: string) => (character === "n" ? "\n" : character));
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString();
}
