import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

/**
 * Reads a regular file in UTF-8, without its byte order mark.
 *
 * @param maxBytes a larger file is rejected before it is read into memory.
 * @throws an Error with the reason, or the error of the system.
 */
export async function readText(path: string, maxBytes: number, signal?: AbortSignal): Promise<string> {
  const stats = await stat(path);
  // Checked before opening, because opening a pipe blocks until there is a writer.
  if (!stats.isFile()) throw new Error("not a regular file");
  if (stats.size > maxBytes) throw new Error(tooLarge(maxBytes));
  const chunks: Buffer[] = [];
  let length = 0;
  // One byte more than allowed, because the file may have grown.
  const range = { end: maxBytes, ...(signal === undefined ? {} : { signal }) };
  for await (const chunk of createReadStream(path, range)) {
    chunks.push(chunk);
    length += chunk.length;
  }
  if (length > maxBytes) throw new Error(tooLarge(maxBytes));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new Error("not valid UTF-8", { cause });
  }
}

function tooLarge(maxBytes: number): string {
  const mebibyte = 1024 * 1024;
  return `larger than ${maxBytes < mebibyte ? `${maxBytes / 1024} KiB` : `${maxBytes / mebibyte} MiB`}`;
}
