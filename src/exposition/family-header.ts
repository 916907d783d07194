import type { Format } from "./format.js";
import type { Metadata } from "./metadata.js";
import { writeType } from "./metric-type.js";
import { escapeHelp, escapeQuoted } from "./quoted.js";
import { writeName } from "./series.js";

/** The lines above a family's samples, in the order that the format asks for. Names and texts are byte strings. */
export function writeHeader(family: string, { type, help, unit }: Metadata, format: Format): string {
  const name = writeName(family);
  const typeLine = type === undefined ? "" : `# TYPE ${name} ${writeType(type, format)}\n`;
  if (format === "text") {
    return (help === undefined ? "" : `# HELP ${name} ${escapeHelp(help)}\n`) + typeLine;
  }
  // What only tells something apart has no unit.
  const hasUnit = unit !== undefined && type !== "info" && type !== "stateset";
  const unitLine = hasUnit ? `# UNIT ${name} ${unit}\n` : "";
  return typeLine + unitLine + (help === undefined ? "" : `# HELP ${name} ${escapeQuoted(help)}\n`);
}
