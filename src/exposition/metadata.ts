import {
  BACKSLASH,
  isBlank,
  LINE_FEED,
  QUOTE,
  skipBlanks,
  skipName,
  startsName,
  startsWith,
} from "./bytes.js";
import type { Format } from "./format.js";
import { type MetricType, readType, writeType } from "./metric-type.js";
import { escapeHelp, escapeQuoted, unescapeHelp, unescapeQuoted, writeName } from "./series.js";

const keywords = ["HELP", "TYPE", "UNIT"] as const;
/** Limits of the memo, so that a target cannot fill memory with invented lines. */
const maxMemoLines = 10_000;
const maxMemoLineBytes = 500;

/** Metadata of one family, as byte strings. An empty help or unit counts as missing. */
export interface Metadata {
  type?: MetricType | undefined;
  help?: string | undefined;
  unit?: string | undefined;
}

/** The content of one HELP, TYPE or UNIT line. */
export interface MetadataLine {
  readonly family: string;
  readonly metadata: Metadata;
}

/**
 * Finds the end of the metric name in a HELP, TYPE or UNIT line; the name may be quoted. The line must end with a line
 * feed.
 *
 * @returns the position after the name, or -1 if there is no valid name.
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

/** Reads HELP, TYPE and UNIT lines. It remembers lines that it has read, because replicas repeat them. */
export class MetadataReader {
  private readonly memo: Readonly<Record<Format, Map<string, MetadataLine | undefined>>> = {
    text: new Map(),
    openmetrics: new Map(),
  };

  /**
   * Reads a valid line from its `#` to its line feed.
   *
   * @returns undefined for other comments and for metadata without content.
   */
  read(bytes: Buffer, hash: number, lineEnd: number, format: Format): MetadataLine | undefined {
    if (lineEnd - hash > maxMemoLineBytes) return readMetadata(bytes, hash, format);
    const memo = this.memo[format];
    const line = bytes.toString("latin1", hash, lineEnd);
    const known = memo.get(line);
    if (known !== undefined) return known;
    const read = readMetadata(bytes, hash, format);
    if (memo.size === maxMemoLines) memo.clear();
    memo.set(line, read);
    return read;
  }
}

function readMetadata(bytes: Buffer, hash: number, format: Format): MetadataLine | undefined {
  const start = skipBlanks(bytes, hash + 1);
  const keyword = start > hash + 1 && keywords.find((word) => startsWith(bytes, start, word));
  if (!keyword || !isBlank(bytes[start + 4]!)) return undefined;
  const nameStart = skipBlanks(bytes, start + 4);
  const nameEnd = scanFamilyName(bytes, nameStart);
  if (nameEnd < 0) return undefined;
  const name = bytes.toString("latin1", nameStart, nameEnd);
  const family = bytes[nameStart] === QUOTE ? unescapeQuoted(name.slice(1, -1)) : name;
  const lineEnd = bytes.indexOf(LINE_FEED, nameEnd);
  const text = bytes.toString("latin1", Math.min(nameEnd + 1, lineEnd), lineEnd);

  if (keyword === "TYPE") return { family, metadata: { type: readType(text) } };
  if (keyword === "UNIT")
    return format === "text" || text === "" ? undefined : { family, metadata: { unit: text } };
  const help = format === "text" ? unescapeHelp(text) : unescapeQuoted(text);
  return help === "" ? undefined : { family, metadata: { help } };
}

/** Writes the metadata lines of a family, in the order that the format requires. Input and output are byte strings. */
export function writeMetadata(family: string, { type, help, unit }: Metadata, format: Format): string {
  const name = writeName(family);
  const typeLine = type === undefined ? "" : `# TYPE ${name} ${writeType(type, format)}\n`;
  if (format === "text") {
    return (help === undefined ? "" : `# HELP ${name} ${escapeHelp(help)}\n`) + typeLine;
  }
  // OpenMetrics allows no unit for info and stateset.
  const hasUnit = unit !== undefined && type !== "info" && type !== "stateset";
  const unitLine = hasUnit ? `# UNIT ${name} ${unit}\n` : "";
  return typeLine + unitLine + (help === undefined ? "" : `# HELP ${name} ${escapeQuoted(help)}\n`);
}
