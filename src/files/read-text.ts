import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

/**
 * The text of a regular file in UTF-8, without a byte order mark.
 *
 * @param maxBytes a larger file is refused before it is held.
 * @throws an Error with the reason in words, or the system's error.
 */
export async function readText(path: string, maxBytes: number, signal?: AbortSignal): Promise<string> {
  const { size, isFile } = await stat(path).then((stats) => ({ size: stats.size, isFile: stats.isFile() }));
  // Before it is opened: opening a pipe waits for a writer.
  if (!isFile) throw new Error("it is not a regular file");
  if (size > maxBytes) throw new Error(tooLarge(maxBytes));
  const chunks: Buffer[] = [];
  let length = 0;
  // One byte more than allowed, for the file may have grown since.
  const range = { end: maxBytes, ...(signal === undefined ? {} : { signal }) };
  for await (const chunk of createReadStream(path, range)) {
    chunks.push(chunk);
    length += chunk.length;
  }
  if (length > maxBytes) throw new Error(tooLarge(maxBytes));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new Error("it is not UTF-8", { cause });
  }
}

function tooLarge(maxBytes: number): string {
  const mebibyte = 1024 * 1024;
  return `it is larger than ${maxBytes < mebibyte ? `${maxBytes / 1024} KiB` : `${maxBytes / mebibyte} MiB`}`;
}
