import fc from "fast-check";
import { PeerError } from "../../../src/replication/peer-error.js";
import { encodeFrame, type Frame, readFrames } from "../../../src/replication/wire/frames.js";
import { inPieces } from "../random.js";
import { law, type Subject } from "../subject.js";

const limits = { json: 300, body: 5000 };

/** The bytes of a message channel: the same frames however they are cut, up to the first fault. */
export const subject: Subject = {
  name: "frames",
  seeds: () => [
    Buffer.alloc(0),
    Buffer.concat([frame(0, 0), frame(2, 10), frame(300, 0), frame(2, 5000)]),
    Buffer.concat(Array.from({ length: 50 }, () => frame(3, 3))),
    Buffer.from("SSH-2.0-OpenSSH_9.2\r\n"),
  ],
  words: [
    "\0\0\0\0\0\0\0\0",
    "\0\0\0\x05\0\0\0\0",
    "\0\0\0\0\0\0\x13\x88",
    "\0\0\x01\x2d\0\0\0\0",
    "\xff\xff\xff\xff\xff\xff\xff\xff",
    "\0\0\0\0\x80\0\0\0",
  ],
  madeUp: fc
    .array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 320 })), { maxLength: 8 })
    .map((frames) =>
      Buffer.concat(
        frames.map(([json, body]) => encodeFrame({ json: Buffer.from(json), body: Buffer.from(body) })),
      ),
    ),
  async check(input) {
    const whole = await decode([input]);
    for (const cut of [0, 1, 2]) {
      const { frames, fault } = await decode(inPieces(input, cut));
      law(fault === whole.fault, "the fault does not depend on the cut", () => [whole.fault, fault]);
      law(encode(frames).equals(encode(whole.frames)), "the frames do not depend on the cut");
    }
    const written = encode(whole.frames);
    law(written.equals(input.subarray(0, written.length)), "frames are written as they were read");
    const rest = input.length - written.length;
    law(whole.fault !== undefined || rest < 8 + 300 + 5000, "all whole frames are read");
  },
};

function frame(json: number, body: number): Buffer {
  return encodeFrame({ json: Buffer.alloc(json, "j"), body: Buffer.alloc(body, "b") });
}

function encode(frames: readonly Frame[]): Buffer {
  return Buffer.concat(frames.map(encodeFrame));
}

async function decode(pieces: readonly Buffer[]): Promise<{ frames: Frame[]; fault: string | undefined }> {
  const frames: Frame[] = [];
  const reserve = (bytes: number) => law(bytes <= limits.json + limits.body, "a frame is within its limits");
  async function* chunks() {
    yield* pieces;
  }
  try {
    for await (const one of readFrames(chunks(), reserve, limits)) frames.push(one);
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return { frames, fault: error.message };
  }
  return { frames, fault: undefined };
}
