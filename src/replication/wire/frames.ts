import { PeerError } from "../peer-error.js";

/*
 * A message on the wire: the length of its JSON and the length of its body, 32 bits each, big endian; then both.
 */

export interface Frame {
  readonly json: Buffer;
  readonly body: Buffer;
}

/** The largest JSON and body, in bytes. */
export interface FrameLimits {
  readonly json: number;
  readonly body: number;
}

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
 * @param reserve takes memory for a frame before it is allocated; throws if there is not enough.
 * @throws PeerError `limit`, and any error of `reserve` or `chunks`.
 */
export async function* readFrames(
  chunks: AsyncIterable<Buffer>,
  limits: FrameLimits,
  reserve: (bytes: number) => void,
): AsyncGenerator<Frame> {
  const header = Buffer.alloc(headerBytes);
  let filled = 0;
  let payload: Buffer | undefined;
  let jsonBytes = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      if (payload === undefined) {
        const copied = chunk.copy(header, filled, at);
        at += copied;
        filled += copied;
        if (filled < headerBytes) continue;
        jsonBytes = header.readUInt32BE(0);
        const bodyBytes = header.readUInt32BE(4);
        if (jsonBytes > limits.json) throw tooLong("message", jsonBytes, limits.json);
        if (bodyBytes > limits.body) throw tooLong("publication", bodyBytes, limits.body);
        reserve(jsonBytes + bodyBytes);
        payload = Buffer.allocUnsafeSlow(jsonBytes + bodyBytes);
        filled = 0;
      } else {
        const copied = chunk.copy(payload, filled, at);
        at += copied;
        filled += copied;
      }
      if (payload !== undefined && filled === payload.length) {
        const frame = { json: payload.subarray(0, jsonBytes), body: payload.subarray(jsonBytes) };
        payload = undefined;
        filled = 0;
        yield frame;
      }
    }
  }
}

function tooLong(what: string, bytes: number, limit: number): PeerError {
  return new PeerError("limit", `${what} of ${bytes} bytes exceeds ${limit} bytes`);
}
