import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFrame, type Frame, readFrames } from "../../../src/replication/wire/frames.js";
import { maxJsonBytes, maxOrigins, parseMessage } from "../../../src/replication/wire/messages.js";

const bufferOf = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const frameOf = fc.record({ json: bufferOf, body: bufferOf });
const ample = { json: 40, body: 40 };

async function read(
  chunks: readonly Buffer[],
  limits = ample,
  reserve: (bytes: number) => void = () => undefined,
): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of readFrames(Readable.from(chunks), reserve, limits)) frames.push(frame);
  return frames;
}

describe("frames", () => {
  it("arrive as they were sent, however the bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(frameOf, { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        async (frames, cuts) => {
          const bytes = Buffer.concat(frames.map(encodeFrame));
          const chunks: Buffer[] = [];
          for (let at = 0; at < bytes.length; ) {
            const length = cuts.next().value as number;
            chunks.push(bytes.subarray(at, at + length));
            at += length;
          }
          expect(await read(chunks)).toEqual(frames);
        },
      ),
    );
  });

  it("are read once they are complete, and not before", async () => {
    const bytes = encodeFrame({ json: Buffer.from("{}"), body: Buffer.from("x") });
    expect(await read([bytes.subarray(0, -1)])).toEqual([]);
    expect(await read([bytes])).toHaveLength(1);
  });

  it.each([
    ["JSON", [0, 0, 0, 41, 0, 0, 0, 0], /message of 41 bytes exceeds 40 bytes/],
    ["a body", [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff], /publication of 4294967295 bytes exceeds 40 bytes/],
  ])(
    "with %s that is too long are rejected by their header, before memory is reserved",
    async (_, header, error) => {
      let reserved = 0;
      const reading = read([Buffer.from(header)], ample, (bytes) => {
        reserved += bytes;
      });
      await expect(reading).rejects.toThrow(error);
      await expect(read([Buffer.from(header)])).rejects.toMatchObject({ reason: "limit" });
      expect(reserved).toBe(0);
    },
  );

  it("reserve memory before they are read", async () => {
    const header = encodeFrame({ json: Buffer.alloc(30), body: Buffer.alloc(10) }).subarray(0, 8);
    const full = () => {
      throw new Error("memory budget exceeded");
    };
    await expect(read([header], ample, full)).rejects.toThrow("memory budget exceeded");
  });

  it("and messages throw only PeerError, for any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        try {
          for (const { json } of await read([Buffer.from(bytes)])) parseMessage(json);
        } catch (error) {
          expect((error as Error).name).toBe("PeerError");
        }
      }),
    );
  });
});

describe("messages", () => {
  const ids = Array.from({ length: maxOrigins }, (_, index) => String(index).padStart(200, "€"));
  const have = {
    kind: "have",
    origins: ids.map((id) => [id, 2 ** 52 - 1, 31_536_000_000.12345, "i".repeat(64)]),
  };

  it("name all origins, whatever their names", async () => {
    const json = Buffer.from(JSON.stringify(have));
    const frames = readFrames(Readable.from([encodeFrame({ json, body: Buffer.alloc(0) })]), () => undefined);
    for await (const frame of frames) expect(parseMessage(frame.json)).toEqual(have);
    expect(json.length).toBeLessThan(maxJsonBytes);
  });

  it("of 2 MB are rejected by their header", async () => {
    const frame = encodeFrame({ json: Buffer.alloc(2_000_000, " "), body: Buffer.alloc(0) });
    const frames = readFrames(Readable.from([frame]), () => undefined);
    await expect(frames.next()).rejects.toMatchObject({ reason: "limit" });
  });

  it.each([
    ["levels", () => `${"[".repeat(maxJsonBytes / 2)}${"]".repeat(maxJsonBytes / 2)}`],
    ["values", () => `{"kind":"hello","x":[${new Array(maxJsonBytes / 4).fill("{}").join()}]}`],
    [
      "properties",
      () => JSON.stringify({ kind: "hello", x: Object.fromEntries([...Array(99_999).entries()]) }),
    ],
  ])("with many %s are rejected before they are parsed, within 100 ms of CPU time", (_, json) => {
    const bytes = Buffer.from(json());
    const begun = process.cpuUsage();
    expect(() => parseMessage(bytes)).toThrow("invalid message");
    const { user, system } = process.cpuUsage(begun);
    expect((user + system) / 1000).toBeLessThan(100);
  });
});
