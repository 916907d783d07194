import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batchesOf, decodeBatch, encodeBatch } from "../../src/replication/batch.js";
import { checkGzip } from "../../src/replication/check-gzip.js";
import { Claims } from "../../src/replication/claims.js";
import { entryFrom } from "../../src/replication/entry-metadata.js";
import { encodeFrames, type Frame, FrameDecoder } from "../../src/replication/frames.js";
import { defaultLimits } from "../../src/replication/limits.js";
import { encodeMessage, inflateMessage, type Message, parseMessage } from "../../src/replication/messages.js";
import { readSequences, writeSequences } from "../../src/replication/sequence-list.js";
import { createStaticPeers } from "../../src/replication/static-peers.js";
import { entryFor, manualClock } from "../support/entries.js";

describe("frames", () => {
  const frameOf = fc.record({
    kind: fc.constantFrom("m" as const, "t" as const),
    payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  });

  it("come out as they went in, however the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(frameOf, { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        (frames, cuts) => {
          const bytes = encodeFrames(frames);
          const decoder = new FrameDecoder({ m: 40, t: 40 });
          const received: Frame[] = [];
          for (let at = 0; at < bytes.length; ) {
            const length = cuts.next().value as number;
            received.push(...decoder.push(bytes.subarray(at, at + length)));
            at += length;
          }
          expect(received).toEqual(frames);
          expect(decoder.pendingBytes).toBe(0);
        },
      ),
    );
  });

  it("that come a byte at a time do not keep what each byte came in", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const decoder = new FrameDecoder({ m: 10, t: 4000 });
    const bytes = encodeFrames([{ kind: "t", payload: Buffer.alloc(2000) }]);
    const before = process.memoryUsage().arrayBuffers;
    for (const byte of bytes.subarray(0, 2000)) {
      const packet = Buffer.alloc(32 * 1024, byte);
      decoder.push(packet.subarray(0, 1));
    }
    const kept = () => {
      collect();
      return process.memoryUsage().arrayBuffers - before;
    };
    await expect.poll(kept, { timeout: 5000 }).toBeLessThan(8_000_000);
    expect(decoder.pendingBytes).toBe(2000);
  });

  it("are refused by their header where they say to be too long, or are of no known kind", () => {
    const decoder = () => new FrameDecoder({ m: 10, t: 20 });
    expect(() => decoder().push(Buffer.from([0x6d, 0, 0, 0, 11]))).toThrow(/at most 10/);
    expect(() => decoder().push(Buffer.from([0x74, 0, 0, 0, 21]))).toThrow(/at most 20/);
    expect(() => decoder().push(Buffer.from("SSH-2"))).toThrow(/unknown kind/);
  });

  it("throw nothing but their own errors, whatever comes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          for (const { payload } of new FrameDecoder({ m: 100, t: 100 }).push(Buffer.from(bytes))) {
            parseMessage(inflateMessage(payload, 1000));
          }
        } catch (error) {
          expect((error as Error).name).toBe("PeerError");
        }
      }),
    );
  });
});

describe("control messages", () => {
  it("come out as they went in", () => {
    const message: Message = {
      kind: "plan",
      raise: [7, 3],
      light: [
        {
          origin: "a",
          epoch: 1,
          sequence: 9,
          base: 3,
          heard: 12,
          kept: [[1, 2]],
          renewals: [{ at: 5, age: 1, except: [] }],
        },
      ],
      offer: ["b"],
      want: [["c", 1, 2, 3]],
    };
    expect(parseMessage(inflateMessage(encodeMessage(message), 10_000))).toEqual(message);
  });

  it("are short: an origin more takes less than 40 bytes", () => {
    const have = (origins: number): Message => ({
      kind: "have",
      manager: true,
      have: Array.from({ length: origins }, (_, index) => [
        `node-${index}.example.org`,
        1_763_000_000_000 + index * 7919,
        100_000 + index * 97,
        Math.imul(index + 1, 0x9e3779b1) >>> 0,
      ]),
    });
    expect((encodeMessage(have(100)).length - encodeMessage(have(10)).length) / 90).toBeLessThan(40);
  });
});

describe("lists of sequences", () => {
  it("come out as they went in, and neighbours take almost nothing", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 1e9 })), (numbers) => {
        const sorted = numbers.sort((a, b) => a - b);
        expect([...readSequences(writeSequences(sorted), 1000)!]).toEqual(sorted);
      }),
    );
    expect(writeSequences(Array.from({ length: 1000 }, (_, index) => 5000 + index))).toHaveLength(2);
  });

  it("are refused before they are unrolled where they stand for too many", () => {
    expect(readSequences([[1, 1e15]], 1000)).toBeUndefined();
  });

  it("are refused where their numbers are too large to be told apart, so that they never become too many", () => {
    const same: [number, number] = [1, 900];
    expect(readSequences([[2 ** 53 - 1, 1], same, same, same], 1000)).toBeUndefined();
  });
});

describe("a batch", () => {
  const limits = defaultLimits(1024 * 1024);

  it("brings entries as they are, bytes and all", async () => {
    const clock = manualClock();
    const entries = [1, 2, 3].map((sequence) =>
      entryFor(clock, {
        id: `docker:${sequence}`,
        text: `x{a="ä"} ${sequence}\n`,
        epoch: 9,
        sequence,
        renewed: sequence,
      }),
    );
    clock.advance(3);
    const received = await decodeBatch(Buffer.concat(await encodeBatch(entries, clock.monotonic())), limits);
    for (const one of received) checkGzip(one);
    const back = received.map(({ metadata, gzip }) =>
      entryFrom(metadata, gzip, { origin: "node1", epoch: 9 }, clock.monotonic()),
    );
    expect(back).toEqual(entries);
    expect(gunzipSync(received[1]!.gzip).toString()).toBe('x{a="ä"} 2\n');
  });

  it("adds less than a twentieth to expositions of 7 kB", async () => {
    const clock = manualClock();
    const gzip = Buffer.alloc(7000, 1);
    const entries = Array.from({ length: 200 }, (_, index) => ({
      ...entryFor(clock, {
        id: `docker:${(index * 7919).toString(16).padStart(64, "0123456789abcdef")}`,
        sequence: index + 1,
        scrapedAt: clock.now() + index * 3,
        duration: index / 997,
      }),
      gzip,
    }));
    let bytes = 0;
    for (const batch of batchesOf(entries))
      bytes += Buffer.concat(await encodeBatch(batch, clock.monotonic())).length;
    expect(bytes).toBeLessThan(200 * 7000 * 1.05);
  });

  it("is cut so that none is much larger than half a megabyte", () => {
    const clock = manualClock();
    const entries = Array.from({ length: 300 }, (_, index) => ({
      ...entryFor(clock, { id: String(index) }),
      gzip: Buffer.alloc(index === 100 ? 3_000_000 : 20_000),
    }));
    const sizes = [...batchesOf(entries)].map((batch) =>
      batch.reduce((sum, { gzip }) => sum + gzip.length, 0),
    );
    expect(sizes.filter((size) => size > 600_000)).toHaveLength(1);
    expect([...batchesOf(entries)].flat()).toEqual(entries);
  });
});

describe("claims", () => {
  it("let one peer at a time send an origin's news, the origin itself before all, and not for ever", () => {
    const clock = manualClock();
    const claims = new Claims(clock);
    const [relay, other, origin] = [{}, {}, {}];
    expect(claims.claim("x", relay, false)).toBe(true);
    expect(claims.claim("x", other, false)).toBe(false);
    expect(claims.claim("x", origin, true)).toBe(true);
    expect(claims.claim("x", relay, false)).toBe(false);
    clock.advance(2.1);
    expect(claims.claim("x", other, false)).toBe(true);
    claims.release("x", other);
    expect(claims.claim("x", relay, false)).toBe(true);
  });
});

describe("PEERS", () => {
  it("may name a port, and addresses of IPv6 in brackets", async () => {
    const { peers, manager } = await createStaticPeers([
      "a",
      "b:2222",
      "[fd00::1]",
      "[fd00::2]:2222",
      "a",
    ]).list(new AbortController().signal);
    expect(manager).toBe(true);
    expect(peers.map(({ addresses }) => addresses[0])).toEqual([
      { host: "a", port: 22 },
      { host: "b", port: 2222 },
      { host: "fd00::1", port: 22 },
      { host: "fd00::2", port: 2222 },
    ]);
  });
});
