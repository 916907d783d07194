import { isBlank, LINE_FEED, QUOTE, skipBlanks, startsWith } from "./bytes.js";
import { scanFamilyName } from "./family-name.js";
import type { Format } from "./format.js";
import { type MetricType, readType } from "./metric-type.js";
import { unescapeHelp, unescapeQuoted } from "./quoted.js";

const keywords = ["HELP", "TYPE", "UNIT"] as const;

/** What a source says of one family. Byte strings; an empty text or unit is as good as none. */
export interface Metadata {
  type?: MetricType | undefined;
  help?: string | undefined;
  unit?: string | undefined;
}

/** What one line says. */
export interface MetadataLine {
  readonly family: string;
  readonly says: Metadata;
}

/** Reads the line whose `#` is at `hash` and that is known to be valid. Undefined where it says nothing. */
export function readMetadata(bytes: Buffer, hash: number, format: Format): MetadataLine | undefined {
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

  if (keyword === "TYPE") return { family, says: { type: readType(text) } };
  if (keyword === "UNIT")
    return format === "text" || text === "" ? undefined : { family, says: { unit: text } };
  const help = format === "text" ? unescapeHelp(text) : unescapeQuoted(text);
  return help === "" ? undefined : { family, says: { help } };
}
