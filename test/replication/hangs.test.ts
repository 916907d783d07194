import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { startProxy } from "./proxies.js";
import { message, startRawPeer } from "./raw-peer.js";

describe("a connection to a peer", () => {
  it("that dies while this node is sending, and does not read, is done with at once", async () => {
    const proxy = await startProxy("node1");
    for (let id = 0; id < 8; id++) proxy.put(`big${id}`, "x 1\n", { gzip: randomBytes(1024 * 1024) });
    const evil = await startRawPeer((stream) => {
      // It wants everything, reads nothing of it, and sends so much that this node does not read on either.
      stream.pause();
      stream.write(
        Buffer.concat([
          message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }),
          message({ kind: "have", manager: true, have: [] }),
          message({ kind: "answer", light: [], heavy: 0, want: [["node1", 0, 0, 0]] }),
          ...Array.from({ length: 20 }, () => message({ kind: "taken" })),
        ]),
      );
      setTimeout(() => evil.cut(), 500);
    });
    proxy.talkTo(evil);
    const begun = performance.now();
    await proxy.replicator.cycle();
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(proxy.failures).toEqual(["closed"]);
  });

  it("that is still being made when this node stops is not left open", async () => {
    const proxy = await startProxy("node1");
    const peer = await startProxy("node2");
    for (const wait of [0, 1, 2, 5, 10, 15, 20, 30]) {
      proxy.talkTo(peer);
      const cycle = proxy.replicator.cycle();
      await sleep(wait);
      // Nobody lists it any more.
      proxy.talkTo();
      await proxy.replicator.cycle();
      await cycle;
      await expect.poll(() => peer.server.connections, { timeout: 3000 }).toBe(0);
    }
    proxy.talkTo(peer);
    const cycle = proxy.replicator.cycle();
    await sleep(3);
    await proxy.stop();
    await cycle;
    await expect.poll(() => peer.server.connections, { timeout: 3000 }).toBe(0);
  });
});
