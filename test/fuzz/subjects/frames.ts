import { Duplex } from "node:stream";
import fc from "fast-check";
import { FrameChannel } from "../../../src/replication/frame-channel.js";
import { encodeFrames, type Frame, FrameDecoder, type FrameLimits } from "../../../src/replication/frames.js";
import { PeerError } from "../../../src/replication/peer-error.js";
import { amplyLimited } from "../../replication/channel-options.js";
import { inPieces } from "../random.js";
import { law, type Subject } from "../subject.js";

const limits: FrameLimits = { m: 300, t: 5000 };

/** The bytes of a replication channel: the same frames however they are cut, up to the first fault. */
export const subject: Subject = {
  name: "frames",
  seeds: () => [
    Buffer.alloc(0),
    Buffer.concat([frame("m", 0), frame("t", 10), frame("m", 300), frame("t", 5000)]),
    Buffer.concat(Array.from({ length: 50 }, () => frame("m", 3))),
    Buffer.from("SSH-2.0-OpenSSH_9.2\r\n"),
  ],
  words: [
    "m\0\0\0\0",
    "t\0\0\0\0",
    "m\0\0\0\x05",
    "t\0\0\x13\x88",
    "m\0\0\x01\x2d",
    "t\xff\xff\xff\xff",
    "t\x80\0\0\0",
  ],
  madeUp: fc
    .array(fc.tuple(fc.constantFrom("m" as const, "t" as const), fc.uint8Array({ maxLength: 320 })), {
      maxLength: 8,
    })
    .map((frames) =>
      encodeFrames(frames.map(([kind, payload]) => ({ kind, payload: Buffer.from(payload) }))),
    ),
  async check(input) {
    const whole = decode([input]);
    const bytewise = decode(inPieces(input, 0));
    for (const cut of [1, 2]) {
      const cutUp = decode(inPieces(input, cut));
      law(cutUp.fault === whole.fault, "the fault depends on the cut", () => [whole.fault, cutUp.fault]);
      law(cutUp.frames.length <= bytewise.frames.length, "a cut makes more frames");
      if (whole.fault === undefined)
        law(sameFrames(cutUp.frames, whole.frames), "the frames depend on the cut");
    }
    law(bytewise.fault === whole.fault, "the fault depends on the cut", () => [whole.fault, bytewise.fault]);
    const written = encodeFrames(bytewise.frames);
    law(written.equals(input.subarray(0, written.length)), "frames are written as they were read");
    if (input.length < 4000) await checkChannel(input, bytewise.frames);
  },
};

function frame(kind: "m" | "t", length: number): Buffer {
  return encodeFrames([{ kind, payload: Buffer.alloc(length, kind) }]);
}

function decode(pieces: readonly Buffer[]): {
  readonly frames: readonly Frame[];
  readonly fault: string | undefined;
} {
  const decoder = new FrameDecoder(limits);
  const frames: Frame[] = [];
  try {
    for (const piece of pieces) frames.push(...decoder.push(piece));
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return { frames, fault: error.message };
  }
  for (const { kind, payload } of frames) law(payload.length <= limits[kind], "a frame is within its limit");
  return { frames, fault: undefined };
}

function sameFrames(some: readonly Frame[], others: readonly Frame[]): boolean {
  return encodeFrames(some).equals(encodeFrames(others));
}

/** What a reader of the channel gets: the frames, then a PeerError. */
async function checkChannel(input: Buffer, frames: readonly Frame[]): Promise<void> {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const channel = new FrameChannel(stream, amplyLimited(limits));
  for (const piece of inPieces(input, 1)) stream.push(piece);
  stream.push(null);
  const received: Frame[] = [];
  try {
    for (;;) received.push(await channel.receive());
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
  }
  const most = Math.min(received.length, frames.length);
  law(received.length <= frames.length, "a channel makes no frames up");
  law(sameFrames(received.slice(0, most), frames.slice(0, most)), "a channel gives the frames in order");
}
