import type { Duplex } from "node:stream";
import { deflateRawSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { Renewal, Section } from "../../src/replication/messages.js";
import type { FailureReason } from "../../src/replication/peer-error.js";
import { PreparedResponses } from "../../src/server/responses/prepared-responses.js";
import { archive, archiveOfSize, tenGigabytes } from "./bad-archives.js";
import { served, startProxy } from "./proxies.js";
import { frame, goodGzip, goodMetadata, message, offerOf, startRawPeer, tarOf } from "./raw-peer.js";

/** A gzip stream whose checksum is not that of what it inflates to. */
function damaged(gzip: Buffer) {
  const bytes = Buffer.from(gzip);
  bytes[bytes.length - 8]! ^= 1;
  return bytes;
}

/** A gzip stream that lies about its inflated size. */
function saying(size: number, gzip: Buffer) {
  const bytes = Buffer.from(gzip);
  bytes.writeUInt32LE(size, bytes.length - 4);
  return bytes;
}

const sections = (tar: Buffer, entries = 1) => Buffer.concat([offerOf("x", entries), frame("t", tar)]);
/** An answer with sections that have no entries, each of an origin that was asked for. */
function lightSections(light: readonly Partial<Section>[]): Buffer {
  const full = light.map(
    (fields): Section => ({ origin: "x", epoch: 5, sequence: 1, base: 1, heard: 0, ...fields }),
  );
  const origins = [...new Set(full.map(({ origin }) => origin))];
  return Buffer.concat([
    message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
    message({ kind: "have", manager: true, have: origins.map((origin) => [origin, 5, 1, 1]) }),
    message({ kind: "answer", heavy: 0, want: [], light: full }),
  ]);
}
const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));
const entry = (fields: Record<string, unknown>, gzip = goodGzip) =>
  archive({}, [goodMetadata(gzip, fields)], gzip);

const attacks: [what: string, reason: FailureReason, bytes: () => Buffer | Promise<Buffer>][] = [
  [
    "a file named ../../etc/passwd",
    "protocol",
    async () => sections(await archive({ name: "../../etc/passwd" })),
  ],
  ["a file with an absolute name", "protocol", async () => sections(await archive({ name: "/etc/passwd" }))],
  [
    "a symbolic link",
    "protocol",
    async () =>
      sections(await tarOf([{ header: { name: "entries.gz", type: "symlink", linkname: "/etc/passwd" } }])),
  ],
  [
    "a hard link",
    "protocol",
    async () =>
      sections(await tarOf([{ header: { name: "entries.gz", type: "link", linkname: "/etc/passwd" } }])),
  ],
  [
    "a device",
    "protocol",
    async () => sections(await tarOf([{ header: { name: "entries.gz", type: "character-device" } }])),
  ],
  [
    "a folder",
    "protocol",
    async () => sections(await tarOf([{ header: { name: "entries.gz", type: "directory" } }])),
  ],
  [
    "two files",
    "protocol",
    async () => sections(Buffer.concat([(await archive()).subarray(0, -1024), await archive()])),
  ],
  ["an entry of 10 GB", "limit", async () => sections(await archiveOfSize(tenGigabytes))],
  [
    "an entry of a size that is no number",
    "protocol",
    async () => sections(await archiveOfSize("\xb00000000001 ")),
  ],
  [
    "an entry of a size below zero",
    "protocol",
    async () => sections(await archiveOfSize(`${"\xff".repeat(11)}\xfe`)),
  ],
  [
    "an archive of 4 GB",
    "limit",
    () => Buffer.concat([offerOf("x", 1), Buffer.from([0x74, 0xff, 0xff, 0xff, 0xff])]),
  ],
  ["a million entries", "limit", () => offerOf("x", 1_000_000)],
  [
    "a million origins",
    "limit",
    () =>
      Buffer.concat([
        message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
        message({
          kind: "have",
          manager: true,
          have: Array.from({ length: 40_000 }, (_, index) => [`o${index}`, 1, 1, 1]),
        }),
      ]),
  ],
  [
    "a list of a million removals",
    "limit",
    () =>
      Buffer.concat([
        message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
        message({ kind: "have", manager: true, have: [["x", 5, 1, 1]] }),
        message({
          kind: "answer",
          heavy: 0,
          want: [],
          light: [{ origin: "x", epoch: 5, sequence: 1, base: 1, heard: 0, kept: [[1, 1e15]] }],
        }),
      ]),
  ],
  [
    "new times that name all entries, a thousand times",
    "limit",
    () => {
      const renewals = Array.from({ length: 1000 }, () => ({ at: 1, age: 1, only: [[1, 20_000]] }));
      return lightSections([{ renewals: renewals as Renewal[] }]);
    },
  ],
  [
    "new times for all the other entries, twice",
    "protocol",
    () => lightSections([{ renewals: [1, 2].map((at) => ({ at, age: 1, except: [] })) }]),
  ],
  [
    "many sections that keep all entries",
    "limit",
    () =>
      lightSections(Array.from({ length: 30 }, (_, index) => ({ origin: `x${index}`, kept: [[1, 20_000]] }))),
  ],
  [
    "lists of numbers that are too large to be told apart",
    "limit",
    () => {
      const kept: Section["kept"] = [[2 ** 53 - 1, 1], ...Array(1000).fill([1, 19_000])];
      return Buffer.concat([
        message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
        message({ kind: "have", manager: true, have: [["x", 5, 1, 1]] }),
        message({ kind: "answer", light: [], heavy: 1, want: [] }),
        message({
          kind: "section",
          section: { origin: "x", epoch: 5, sequence: 1, base: 0, heard: 0, kept, entries: 1 },
        }),
      ]);
    },
  ],
  ["one section over and over", "protocol", () => lightSections([{}, {}])],
  [
    "wants of one origin over and over",
    "protocol",
    () =>
      Buffer.concat([
        message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
        message({ kind: "have", manager: true, have: [["x", 5, 1, 1]] }),
        message({
          kind: "answer",
          heavy: 0,
          want: [
            ["node1", 0, 0, 0],
            ["node1", 0, 0, 0],
          ],
          light: [],
        }),
      ]),
  ],
  [
    "an archive of nothing but headers",
    "protocol",
    async () => sections(Buffer.concat(Array(4000).fill((await archive()).subarray(0, 1024)))),
  ],
  ["an archive of nothing but zeros", "protocol", () => sections(Buffer.alloc(1024 * 1024))],
  [
    "a header that says to be endless",
    "protocol",
    async () => {
      const bytes = await archive();
      bytes.write("77777777777\0", 124, 12, "latin1");
      return sections(bytes);
    },
  ],
  [
    "a thousand metadata of nothing",
    "limit",
    async () =>
      sections(
        await archive(
          {},
          Array.from({ length: 5000 }, () => ({})),
        ),
      ),
  ],
  ["no archive at all", "protocol", () => sections(Buffer.alloc(4096, 7))],
  ["an empty archive", "protocol", () => sections(Buffer.alloc(1024))],
  [
    "an archive without metadata",
    "protocol",
    async () => sections(await tarOf([{ header: { name: "entries.gz" }, content: goodGzip }])),
  ],
  ["an archive that is cut", "protocol", async () => sections((await archive()).subarray(0, 1600))],
  [
    "an archive whose metadata is a bomb",
    "limit",
    async () =>
      sections(
        await archive({
          pax: { comment: deflateRawSync(Buffer.alloc(64 * 1024 * 1024, 32)).toString("base64") },
        }),
      ),
  ],
  [
    "entries longer than the file",
    "protocol",
    async () => sections(await archive({}, [goodMetadata(goodGzip, { gzipBytes: 1e6 })])),
  ],
  ["a gzip bomb", "invalid_entry", async () => sections(await entry({ size: 1000 }, bomb))],
  [
    "a gzip bomb that says how large it is",
    "limit",
    async () => sections(await entry({ size: 8 * 1024 * 1024 }, bomb)),
  ],
  [
    "a gzip stream that is none",
    "invalid_entry",
    async () => sections(await entry({}, Buffer.from("not gzip"))),
  ],
  [
    "a gzip stream with bytes after its end",
    "invalid_entry",
    async () => sections(await entry({}, Buffer.concat([goodGzip, Buffer.from("more")]))),
  ],
  [
    "a name that is no segment of a path",
    "invalid_entry",
    async () => sections(await entry({ names: [".."] })),
  ],
  [
    "a replica with control characters",
    "invalid_entry",
    async () => sections(await entry({ replica: "1\r\nSet-Cookie: a" })),
  ],
  [
    "a content type with a line break",
    "invalid_entry",
    async () => sections(await entry({ contentType: "text/plain\r\nX: y" })),
  ],
  [
    "a web page's content type",
    "invalid_entry",
    async () => sections(await entry({ contentType: "text/html" })),
  ],
  ["an age below zero", "invalid_entry", async () => sections(await entry({ age: -1 }))],
  ["an entry out of its order", "protocol", async () => sections(await entry({ sequence: 9 }))],
  [
    "an entry beyond those that it told",
    "protocol",
    async () =>
      sections(
        await archive(
          {},
          [goodMetadata(goodGzip), goodMetadata(goodGzip, { sequence: 2 })],
          Buffer.concat([goodGzip, goodGzip]),
        ),
      ),
  ],
  [
    "a section that nobody asked for",
    "protocol",
    () =>
      Buffer.concat([
        message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
        message({ kind: "have", manager: true, have: [["x", 5, 1, 1]] }),
        message({ kind: "answer", light: [], heavy: 1, want: [] }),
        message({
          kind: "section",
          section: { origin: "y", epoch: 5, sequence: 1, base: 0, heard: 0, entries: 1 },
        }),
      ]),
  ],
  [
    "an epoch that nothing is above",
    "protocol",
    () =>
      Buffer.concat([
        message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
        message({ kind: "have", manager: true, have: [["node1", Number.MAX_SAFE_INTEGER, 1, 1]] }),
      ]),
  ],
  ["a message that is a bomb", "limit", () => frame("m", deflateRawSync(Buffer.alloc(64 * 1024 * 1024, 32)))],
  [
    "a message of half a million parts",
    "limit",
    () =>
      Buffer.concat([
        message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
        frame(
          "m",
          deflateRawSync(JSON.stringify({ kind: "have", manager: true, have: Array(500_000).fill("/") })),
        ),
      ]),
  ],
  ["a message that is none", "protocol", () => frame("m", Buffer.from("rubbish"))],
  ["bytes that are no frame", "protocol", () => Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  [
    "a name that is this node's",
    "same_name",
    () => message({ kind: "hello", protocol: 1, instance: "other", origin: "node1" }),
  ],
];

describe("a peer that holds the secret and sends", () => {
  it.each(attacks)("%s is cut off (%s), and nothing of it reaches the cache", async (_, reason, bytes) => {
    const proxy = await startProxy("node1");
    const sent = await bytes();
    const evil = await startRawPeer((stream) => stream.write(sent));
    proxy.talkTo(evil);
    await proxy.replicator.cycle();
    expect(proxy.failures).toEqual([reason]);
    expect(proxy.replicator.statuses()).toMatchObject([
      { state: "failing", lastReason: reason, failures: 1 },
    ]);
    expect(proxy.cache.all()).toEqual([]);
    // It is not tried again at once.
    await proxy.replicator.cycle();
    expect(evil.channels()).toBe(1);
  });

  it("an archive that ends in the middle of it, with the connection, is told apart from a good one", async () => {
    const proxy = await startProxy("node1");
    const sent = sections(await archive());
    const evil = await startRawPeer(
      (stream) => void stream.write(sent.subarray(0, -700), () => stream.destroy()),
    );
    proxy.talkTo(evil);
    await proxy.replicator.cycle();
    expect(proxy.failures).toEqual(["closed"]);
    expect(proxy.cache.all()).toEqual([]);
  });

  it("nothing more in the middle of an exchange is cut off, and the others sync on time", async () => {
    const proxy = await startProxy("node1", { limits: { idleMs: 1000 } });
    const silent = await startRawPeer(() => undefined);
    const dripping = await startRawPeer((stream) => {
      const timer = setInterval(() => stream.write("m"), 100);
      stream.on("close", () => clearInterval(timer));
    });
    const good = await startProxy("good");
    good.put("1", "x 1\n");
    proxy.talkTo(silent, dripping, good);
    const cycle = proxy.replicator.cycle();
    await expect.poll(() => served(proxy), { timeout: 900, interval: 20 }).toEqual({ "1": "x 1\n" });
    await cycle;
    expect(proxy.failures.sort()).toEqual(["limit", "timeout"]);
  });

  it("good entries before a bad one loses only the bad one", async () => {
    const proxy = await startProxy("node1");
    const second = gzipSync("y 1\n");
    const both = [goodMetadata(goodGzip), goodMetadata(second, { sequence: 2, replica: "2", size: 7 })];
    const sent = sections(await archive({}, both, Buffer.concat([goodGzip, second])), 2);
    const evil = await startRawPeer((stream) => stream.write(sent));
    proxy.talkTo(evil);
    await proxy.replicator.cycle();
    expect(proxy.failures).toEqual(["invalid_entry"]);
    expect(served(proxy)).toEqual({ "1": "x 1\n" });
  });

  it.each<[what: string, fields: Record<string, unknown>, gzip: typeof goodGzip]>([
    ["a web page", { size: 7 }, gzipSync("<html>\n")],
    ["an exposition with a wrong number of samples", { samples: 2 }, goodGzip],
    ["a gzip stream with a wrong checksum", {}, damaged(goodGzip)],
    ["a bomb that says that it is small", {}, saying(4, bomb)],
  ])(
    "%s for an exposition finds nobody who shows it, and costs no other its place",
    async (_, fields, gzip) => {
      const proxy = await startProxy("node1");
      const sent = sections(await entry({ replica: "2", ...fields }, gzip));
      const evil = await startRawPeer((stream) => stream.write(sent));
      const good = await startProxy("good");
      good.put("1", "x 1\n");
      proxy.talkTo(evil, good);
      await proxy.replicator.cycle();

      const responses = new PreparedResponses(proxy.cache, new MemoryBudget(64 * 1024 * 1024));
      const [first, second] = proxy.cache.named("web");
      expect(await responses.reader.check(first!)).toBe(true);
      expect(await responses.reader.check(second!)).toBe(false);
      const merged = await responses.get([first!, second!], "text");
      expect((await merged.body(false)).toString()).toBe('x{instance="shop_web.1"} 1\n');
      expect(responses.omissions()).toMatchObject([{ instance: "shop_web.2" }]);
    },
  );

  it("entries of this node itself is not believed", async () => {
    const proxy = await startProxy("node1", { epoch: 1 });
    proxy.put("1", "mine 1\n");
    const evil = await startRawPeer((stream: Duplex) =>
      stream.write(
        Buffer.concat([
          message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
          message({ kind: "have", manager: true, have: [["node1", 5, 7, 1]] }),
        ]),
      ),
    );
    proxy.talkTo(evil);
    await Promise.race([proxy.replicator.cycle(), new Promise((resolve) => setTimeout(resolve, 500))]);
    // It begins a new epoch above the one that somebody seems to hold of it, and keeps what it has.
    expect(proxy.cache.holdings.epoch).toBe(6);
    expect(served(proxy)).toEqual({ "1": "mine 1\n" });
  });
});
