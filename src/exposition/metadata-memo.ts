import type { Format } from "./format.js";
import { type MetadataLine, readMetadata } from "./metadata.js";

/** More lines are not remembered, nor longer ones: a target that makes them up must not take all memory. */
const maxLines = 10_000;
const maxLineBytes = 500;

/** The lines of HELP, TYPE and UNIT that were read, over all sources of an answer: replicas say the same. */
export class MetadataMemo {
  private readonly lines: Readonly<Record<Format, Map<string, MetadataLine | undefined>>> = {
    text: new Map(),
    openmetrics: new Map(),
  };

  /** See readMetadata; `lineEnd` is the position of the line feed. */
  read(bytes: Buffer, hash: number, lineEnd: number, format: Format): MetadataLine | undefined {
    if (lineEnd - hash > maxLineBytes) return readMetadata(bytes, hash, format);
    const lines = this.lines[format];
    const line = bytes.toString("latin1", hash, lineEnd);
    const known = lines.get(line);
    if (known !== undefined) return known;
    const read = readMetadata(bytes, hash, format);
    if (lines.size === maxLines) lines.clear();
    lines.set(line, read);
    return read;
  }
}
