import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { silentLogger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { FailureReason } from "../../src/replication/peer-error.js";
import { Scheduler } from "../../src/scheduler.js";
import { PreparedResponses } from "../../src/server/responses/prepared-responses.js";
import { served, soon, startProxy } from "./proxies.js";
import {
  frame,
  goodGzip,
  hello,
  memberHeader,
  memberOf,
  memberOfSize,
  message,
  offerOf,
  publicationMessage,
  publicationsOf,
  publish,
  type RawLink,
  type RawScrape,
  startRawPeer,
  tarOf,
  tenGigabytes,
} from "./raw-peer.js";

const mebibyte = 1024 * 1024;
const bomb = gzipSync(Buffer.alloc(8 * mebibyte));

/** A gzip stream whose checksum is not that of what it inflates to. */
function damaged(gzip: Buffer) {
  const bytes = Buffer.from(gzip);
  bytes[bytes.length - 8]! ^= 1;
  return bytes;
}

/** A gzip stream that states another inflated size. */
function stating(size: number, gzip: Buffer) {
  const bytes = Buffer.from(gzip);
  bytes.writeUInt32LE(size, bytes.length - 4);
  return bytes;
}

/** Publishes one scrape of the origin `x`, and sends an archive when it is requested. */
const deliver =
  (archive: () => Buffer | Promise<Buffer>, scrape: RawScrape = {}) =>
  (link: RawLink) =>
    publish(link, { x: offerOf("x", [scrape]), z: publicationMessage(publicationsOf("z")[0]) }, async () => {
      link.scrapes.write(await archive());
    });
/** Publishes a scrape of `x` that no proxy accepts, and something good of `z`. */
const offer = (bytes: Buffer) => (link: RawLink) =>
  publish(link, { x: bytes, z: publicationMessage(publicationsOf("z")[0]) });
/** Sends messages after `hello`. */
const send =
  (...bytes: Buffer[]) =>
  (link: RawLink) => {
    link.messages.resume();
    link.messages.write(Buffer.concat([hello(), ...bytes]));
  };
const file = (header: Record<string, unknown>) => () =>
  tarOf([{ header: { ...memberHeader("x"), ...header } }]);
const [, goodBatch] = publicationsOf("x");
const many = <T>(count: number, item: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => item(index));

type Talk = (link: RawLink) => void | Promise<void>;

const fatal: [what: string, reason: FailureReason, talk: Talk][] = [
  ["a member named ../../etc/passwd", "protocol", deliver(file({ name: "../../etc/passwd" }))],
  ["a member with an absolute name", "protocol", deliver(file({ name: "/etc/passwd" }))],
  ["a symbolic link", "protocol", deliver(file({ type: "symlink", linkname: "/etc/passwd" }))],
  ["a hard link", "protocol", deliver(file({ type: "link", linkname: "/etc/passwd" }))],
  ["a device", "protocol", deliver(file({ type: "character-device" }))],
  ["a folder", "protocol", deliver(file({ type: "directory" }))],
  ["a PAX header", "protocol", deliver(file({ pax: { comment: "x" } }))],
  ["a size that is no number", "protocol", deliver(() => memberOfSize("x", "\xb00000000001 "))],
  ["a size below zero", "protocol", deliver(() => memberOfSize("x", `${"\xff".repeat(11)}\xfe`))],
  [
    "a header with a wrong checksum",
    "protocol",
    deliver(async () => {
      const bytes = await memberOf("x");
      bytes.write("77777777777\0", 124, 12, "latin1");
      return bytes;
    }),
  ],
  ["bytes that are no archive", "protocol", deliver(() => Buffer.alloc(4096, 7))],
  ["the end of an archive", "protocol", deliver(() => Buffer.alloc(1024))],
  ["a scrape that was not requested", "protocol", deliver(() => memberOf("y"))],
  ["a message that is not JSON", "protocol", send(frame("rubbish"))],
  ["a message of an unknown kind", "protocol", send(frame('{"kind":"section"}'))],
  ["bytes that are no frame", "limit", ({ messages }) => void messages.write("GET / HTTP/1.1\r\n\r\n")],
  ["a message of 4 GB", "limit", send(Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]))],
  ["a publication of 4 GB", "limit", send(Buffer.from([0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff]))],
  [
    "a message before hello",
    "protocol",
    ({ messages }) => void messages.write(message({ kind: "follow", origin: "node1", above: 0 })),
  ],
  [
    "a list of 3000 origins",
    "protocol",
    send(message({ kind: "have", origins: many(3000, (index) => [`o${index}`, 1, 1]) })),
  ],
  [
    "a request for 3000 scrapes at once",
    "protocol",
    send(message({ kind: "fetch", origin: "node1", numbers: many(3000, (index) => index + 1) })),
  ],
  ["2000 requests at once", "limit", send(...many(2000, () => message({ kind: "have", origins: [] })))],
  [
    "a number that is too large",
    "protocol",
    send(frame(JSON.stringify({ kind: "follow", origin: "node1", above: 2 ** 53 }))),
  ],
  ["the name of this node", "same_name", ({ messages }) => void messages.write(hello("node1"))],
];

describe("a peer with the secret that sends", () => {
  it.each(fatal)("%s: the link is closed (%s), and the cache stays empty", async (_, reason, talk) => {
    const proxy = await startProxy("node1", { interval: 3600 });
    const evil = await startRawPeer(talk);
    await proxy.connectTo(evil);
    await expect.poll(() => proxy.failures, soon).toEqual([reason]);
    expect(proxy.replication.status().peers).toMatchObject([
      { state: "failing", lastReason: reason, failures: 1 },
    ]);
    expect(served(proxy)).toEqual({});
    expect(evil.links()).toBe(1);
    await proxy.stop();
  });

  const skipped: [what: string, reason: FailureReason, talk: Talk][] = [
    ["a scrape of 10 GB", "limit", deliver(() => memberOfSize("x", tenGigabytes))],
    ["a scrape that is no gzip stream", "invalid_entry", scrapeOf(Buffer.alloc(100, "not gzip"))],
    [
      "a gzip stream with bytes after its end",
      "invalid_entry",
      scrapeOf(Buffer.concat([goodGzip, Buffer.from("more")])),
    ],
    ["a gzip bomb that states a small size in its batch", "invalid_entry", scrapeOf(bomb, { size: 1000 })],
    [
      "a scrape with a wrong checksum",
      "invalid_entry",
      deliver(async () => {
        const bytes = await memberOf("x");
        bytes[512 + 12]! ^= 1;
        return bytes;
      }),
    ],
    ["a batch that is no gzip stream", "invalid_entry", offer(body(Buffer.from("rubbish")))],
    ["a batch that is a bomb", "invalid_entry", offer(body(gzipSync(Buffer.alloc(64 * mebibyte, 32))))],
    [
      "a batch with another number than stated",
      "invalid_entry",
      offer(message({ kind: "publication", origin: "x", number: 5, age: 0 }, publicationBytes(goodBatch))),
    ],
    ["a name that is no segment of a path", "invalid_entry", offer(offerOf("x", [{ names: [".."] }]))],
    [
      "a replica with control characters",
      "invalid_entry",
      offer(offerOf("x", [{ replica: "1\r\nSet-Cookie: a" }])),
    ],
    [
      "a content type with a line break",
      "invalid_entry",
      offer(offerOf("x", [{ contentType: "text/plain\r\nX: y" }])),
    ],
    ["the content type of a web page", "invalid_entry", offer(offerOf("x", [{ contentType: "text/html" }]))],
  ];

  it.each(skipped)(
    "%s: it is skipped and counted (%s), and other items are used",
    async (_, reason, talk) => {
      const proxy = await startProxy("node1");
      const evil = await startRawPeer(talk);
      await proxy.connectTo(evil);
      await expect.poll(() => proxy.failures, soon).toContain(reason);
      await expect.poll(() => proxy.cache.feed("z"), soon).toBeDefined();
      expect(served(proxy)).toEqual({});
      await proxy.stop();
    },
  );

  it("an incomplete archive: none of it is used", async () => {
    const proxy = await startProxy("node1", { interval: 3600 });
    const evil = await startRawPeer(async (link) => {
      const cutOff = (await memberOf("x")).subarray(0, -400);
      await publish(link, { x: offerOf("x") }, () => void link.scrapes.end(cutOff));
    });
    await proxy.connectTo(evil);
    await expect.poll(() => proxy.failures, soon).toEqual(["closed"]);
    expect(served(proxy)).toEqual({});
    expect(proxy.budget.used).toBeLessThan(mebibyte);
  });

  it("a scrape twice: the link is closed, and the first one is kept", async () => {
    const proxy = await startProxy("node1", { interval: 3600 });
    const member = await memberOf("x");
    const evil = await startRawPeer(deliver(() => Buffer.concat([member, member])));
    await proxy.connectTo(evil);
    await expect.poll(() => proxy.failures, soon).toEqual(["protocol"]);
    expect(served(proxy)).toEqual({ "1": "x 1\n" });
  });

  it("nothing, or a byte now and then: the link is closed, and others replicate meanwhile", async () => {
    const proxy = await startProxy("node1", { interval: 3600 });
    const silent = await startRawPeer(({ messages }) => void messages.resume());
    const dripping = await startRawPeer(({ messages, scrapes }) => {
      const timer = setInterval(() => messages.write("\0"), 100);
      messages.on("close", () => clearInterval(timer));
      scrapes.resume();
    });
    const stuck = await startRawPeer(deliver(async () => (await memberOf("x")).subarray(0, 600)));
    const good = await startProxy("good");
    good.put("1", "x 1\n");
    await proxy.connectTo(silent, dripping, stuck, good);
    await expect.poll(() => served(proxy), soon).toEqual({ "1": "x 1\n" });
    await expect.poll(() => proxy.failures.length, soon).toBe(3);
    expect(proxy.failures.filter((reason) => !["timeout", "limit", "protocol"].includes(reason))).toEqual([]);
  });

  it("good scrapes and a bad one: only the bad one is lost", async () => {
    const proxy = await startProxy("node1");
    const second = { gzip: gzipSync("y 1\n"), number: 1_000_002, replica: "2", size: 7 };
    const evil = await startRawPeer(async (link) => {
      const members = Buffer.concat([await memberOf("x", second), await memberOf("x")]);
      await publish(link, { x: offerOf("x", [{}, second]) }, () => void link.scrapes.write(members));
    });
    await proxy.connectTo(evil);
    await expect.poll(() => served(proxy), soon).toEqual({ "1": "x 1\n" });
    expect(proxy.failures).toEqual(["invalid_entry"]);
  });

  it.each<[what: string, scrape: RawScrape]>([
    ["a web page", { gzip: gzipSync("<html>\n"), size: 7 }],
    ["an exposition with a wrong number of samples", { samples: 2 }],
    ["a gzip stream with a wrong checksum inside", { gzip: damaged(goodGzip) }],
    ["a bomb that states a small size", { gzip: stating(4, bomb) }],
  ])("%s as an exposition: it is not served, and other replicas are", async (_, fields) => {
    const proxy = await startProxy("node1");
    const scrape = { replica: "2", ...fields };
    const evil = await startRawPeer(deliver(() => memberOf("x", scrape), scrape));
    const good = await startProxy("good");
    good.put("1", "x 1\n");
    await proxy.connectTo(evil, good);
    await expect.poll(() => Object.keys(proxy.cache.named("web")).length, soon).toBe(2);

    const responses = new PreparedResponses(
      proxy.cache,
      new MemoryBudget(64 * mebibyte),
      new Scheduler(),
      silentLogger,
    );
    const [first, second] = proxy.cache.named("web");
    const client = new AbortController().signal;
    expect(await responses.check("web", first!, client)).toBe(true);
    expect(await responses.check("web", second!, client)).toBe(false);
    const parts = [{ scrape: first! }, { scrape: second! }];
    const merged = await responses.get({ name: "web", kind: "text", parts, client });
    expect(gunzipSync(merged.gzip).toString()).toBe('x{instance="shop_web.1"} 1\n');
    expect(responses.omissions()).toMatchObject([{ instance: "shop_web.2" }]);
  });

  it("publications under this node's name: this node raises its numbers, and serves its own scrapes", async () => {
    const proxy = await startProxy("node1");
    proxy.put("1", "mine 1\n");
    const known = proxy.publisher.highest;
    const number = known + 3600e6;
    const evil = await startRawPeer((link) => {
      link.messages.resume();
      const [targets] = publicationsOf("node1", [{ names: ["other"] }]);
      link.messages.write(
        Buffer.concat([
          hello(),
          message({ kind: "have", origins: [["node1", number, 0]] }),
          publicationMessage({ ...targets, number: 2 ** 52 - 1 }),
        ]),
      );
    });
    await proxy.connectTo(evil);
    await expect.poll(() => proxy.publisher.highest, soon).toBeGreaterThan(number);
    expect(proxy.publisher.highest).toBeLessThan(number + 3600e6);
    expect(served(proxy)).toEqual({ "1": "mine 1\n" });
    expect(proxy.cache.index.hasScrape("web")).toBe(true);
  });
});

/** Publishes a scrape of `x` and delivers it. */
function scrapeOf(gzip: Buffer, fields: RawScrape = {}): Talk {
  const scrape = { gzip, ...fields };
  return deliver(() => memberOf("x", scrape), scrape);
}

function body(bytes: Buffer): Buffer {
  return message({ kind: "publication", origin: "x", number: 5, age: 0 }, bytes);
}

function publicationBytes(publication: typeof goodBatch): Buffer {
  const bytes = publicationMessage(publication);
  return bytes.subarray(8 + bytes.readUInt32BE(0));
}
