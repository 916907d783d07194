import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { connectionsTo, soon, startProxy } from "./proxies.js";
import { hello, message, startRawPeer } from "./raw-peer.js";

describe("a connection to a peer", () => {
  it("that fails while the peer does not read the sent scrapes ends at once", async () => {
    const proxy = await startProxy("node1");
    const numbers = Array.from({ length: 8 }, (_, id) =>
      proxy.put(`big${id}`, "", { gzip: randomBytes(1024 * 1024) }),
    );
    const evil = await startRawPeer(({ messages, scrapes }) => {
      messages.pause();
      scrapes.pause();
      messages.write(Buffer.concat([hello(), message({ kind: "fetch", origin: "node1", numbers })]));
      setTimeout(() => evil.cut(), 500);
    });
    await proxy.connectTo(evil);
    await expect.poll(() => proxy.failures, { timeout: 5000 }).toEqual(["closed"]);
    await proxy.stop();
  });

  it("is closed if its peer is removed from the list or this node stops while it is being opened", async () => {
    const proxy = await startProxy("node1");
    const peer = await startProxy("node2");
    for (const delay of [0, 1, 2, 5, 10, 15, 20, 30, 100]) {
      await proxy.connectTo(peer);
      await sleep(delay);
      await proxy.connectTo();
      await expect.poll(() => connectionsTo(peer), soon).toBe(0);
    }
    await proxy.connectTo(peer);
    await sleep(3);
    await proxy.stop();
    await expect.poll(() => connectionsTo(peer), soon).toBe(0);
  });
});
