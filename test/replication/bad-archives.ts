import { deflateRawSync } from "node:zlib";
import { goodGzip, goodMetadata, tarOf } from "./raw-peer.js";

const comment = (metadata: unknown) => deflateRawSync(JSON.stringify(metadata)).toString("base64");

/** An archive of one file, good but for what is given. */
export function archive(
  header: Record<string, unknown> = {},
  metadata: unknown = [goodMetadata(goodGzip)],
  content: Buffer = goodGzip,
): Promise<Buffer> {
  return tarOf([{ header: { name: "entries.gz", pax: { comment: comment(metadata) }, ...header }, content }]);
}

/** An archive whose header says something else of the file's size: twelve bytes. */
export async function archiveOfSize(field: string): Promise<Buffer> {
  const bytes = await archive();
  // Behind the PAX header and its text; tar-stream gives both headers the same name.
  const at = bytes.lastIndexOf("PaxHeader");
  const header = bytes.subarray(at, at + 512);
  header.write(field, 124, 12, "latin1");
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8, "latin1");
  return bytes;
}

/** Ten gigabytes are to follow; only some bytes do. */
export const tenGigabytes = `${(10 * 2 ** 30).toString(8)} `;
