import { ByteReader } from "../../archive/byte-reader.js";
import { PeerError } from "../peer-error.js";
import { maxCompressedBytes, maxJsonBytes } from "./messages.js";

/** A message on the wire: the lengths of its JSON and its body, 32 bits each, big endian; then both. */
export interface Frame {
  readonly json: Buffer;
  readonly body: Buffer;
}

/** The largest JSON and body, in bytes. */
const frameLimits = { json: maxJsonBytes, body: maxCompressedBytes };

const headerBytes = 8;

export function encodeFrame({ json, body }: Frame): Buffer {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt32BE(json.length, 0);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, json, body]);
}

/**
 * Reads frames from chunks of any size.
 *
 * @param reserve reserves memory for a frame before it is allocated.
 * @throws PeerError `limit`, and any error of `reserve` or `chunks`.
 */
export async function* readFrames(
  chunks: AsyncIterable<Buffer>,
  reserve: (bytes: number) => void | Promise<void>,
  limits = frameLimits,
): AsyncGenerator<Frame> {
  const reader = new ByteReader(chunks);
  try {
    for (let header = await reader.read(headerBytes); header; header = await reader.read(headerBytes)) {
      const jsonBytes = header.readUInt32BE(0);
      const bodyBytes = header.readUInt32BE(4);
      if (jsonBytes > limits.json) throw tooLong("message", jsonBytes, limits.json);
      if (bodyBytes > limits.body) throw tooLong("publication", bodyBytes, limits.body);
      await reserve(jsonBytes + bodyBytes);
      const json = await reader.read(jsonBytes);
      const body = await reader.read(bodyBytes);
      if (json === undefined || body === undefined) return;
      yield { json, body };
    }
  } finally {
    await reader.close();
  }
}

function tooLong(what: string, bytes: number, limit: number): PeerError {
  return new PeerError("limit", `${what} of ${bytes} bytes exceeds ${limit} bytes`);
}
