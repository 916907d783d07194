import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/model/clock.js";
import type { FailureReason } from "../../src/replication/peer-error.js";
import { connectionsTo, served, soon, startProxy, type TestProxy } from "./proxies.js";
import {
  frame,
  hello,
  message,
  messagesCommand,
  openRawLink,
  publicationMessage,
  publicationsOf,
} from "./raw-peer.js";
import { startEvilClient } from "./ssh/evil-client.js";

const mebibyte = 1024 * 1024;

/** Fills a cache with bytes that cannot be compressed. @returns the numbers of the scrapes */
function fill(proxy: TestProxy, mebibytes: number): number[] {
  return Array.from({ length: mebibytes }, (_, id) =>
    proxy.put(`big${id}`, "", { gzip: randomBytes(mebibyte), job: "big" }),
  );
}

/** Bytes that this process holds outside of its heap, where unsent data is. */
const buffered = () => process.memoryUsage().arrayBuffers;
const times = (count: number, bytes: Buffer) => Buffer.concat(Array<Buffer>(count).fill(bytes));
const follow = message({ kind: "follow", origin: "node1", above: 0 });
const [targets] = publicationsOf("x");

const links: [what: string, reason: FailureReason, bytes: Buffer][] = [
  ["2000 requests at once", "limit", Buffer.concat([hello(), times(2000, follow)])],
  ["a request before hello", "protocol", follow],
  ["a message of 4 GB", "limit", Buffer.concat([hello(), Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])])],
  ["rubbish", "protocol", Buffer.concat([hello(), frame("rubbish")])],
  [
    "requests for 20,000 scrapes",
    "limit",
    Buffer.concat([
      hello(),
      times(
        20,
        message({ kind: "fetch", origin: "node1", numbers: Array.from({ length: 1000 }, (_, id) => id + 1) }),
      ),
      follow,
    ]),
  ],
];

describe("a peer with the secret that dials and sends", () => {
  it.each(links)("%s: the connection is closed soon (%s)", async (_, reason, bytes) => {
    const proxy = await startProxy("node1", { clock: systemClock });
    const evil = await startEvilClient(proxy);
    const { messages } = await openRawLink(evil);
    const begun = performance.now();
    messages.resume();
    messages.write(bytes);
    await evil.closed;
    await expect.poll(() => proxy.failures, soon).toEqual([reason]);
    expect(performance.now() - begun).toBeLessThan(8000);
    expect(served(proxy)).toEqual({});
  });

  it("only one of two channels: the connection is closed", async () => {
    const proxy = await startProxy("node1");
    const evil = await startEvilClient(proxy);
    (await evil.exec(messagesCommand)).resume();
    await evil.closed;
  });

  it("a byte now and then: the connection is closed, and others replicate meanwhile", async () => {
    const proxy = await startProxy("node1");
    const evil = await startEvilClient(proxy);
    const { messages } = await openRawLink(evil);
    messages.resume();
    messages.write(hello());
    const dripping = setInterval(() => messages.write(Buffer.from([0])), 100);
    void evil.closed.then(() => clearInterval(dripping));
    const good = await startProxy("good");
    good.put("1", "x 1\n");
    await good.connectTo(proxy);
    await expect.poll(() => served(proxy), soon).toEqual({ "1": "x 1\n" });
    await evil.closed;
    await expect.poll(() => proxy.failures.length, soon).toBe(1);
  });

  it("publications that were not requested: they are ignored", async () => {
    const proxy = await startProxy("node1");
    const evil = await startEvilClient(proxy);
    const { messages } = await openRawLink(evil);
    messages.resume();
    messages.write(Buffer.concat([hello(), times(100, publicationMessage(targets))]));
    const good = await startProxy("good");
    good.put("1", "x 1\n");
    await good.connectTo(proxy);
    await expect.poll(() => served(proxy), soon).toEqual({ "1": "x 1\n" });
    expect(proxy.cache.feed("x")).toBeUndefined();
  });

  it("requests for all scrapes without reading them: the connection is closed, and memory stays bounded", async () => {
    const proxy = await startProxy("node1");
    const numbers = fill(proxy, 64);
    const evil = await startEvilClient(proxy);
    const before = buffered();
    const { messages } = await openRawLink(evil);
    messages.resume();
    messages.write(hello());
    evil.protocol.channelWindowAdjust(0, 2 ** 31);
    evil.protocol.channelWindowAdjust(1, 2 ** 31);
    messages.write(Buffer.concat([follow, message({ kind: "fetch", origin: "node1", numbers })]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    evil.deaf();
    await expect.poll(() => proxy.failures, soon).toEqual(["timeout"]);
    expect(buffered() - before).toBeLessThan(32 * mebibyte);
    await expect.poll(() => connectionsTo(proxy), soon).toBe(0);
  });
});
