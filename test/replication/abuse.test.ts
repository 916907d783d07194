import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { FailureReason } from "../../src/replication/peer-error.js";
import { served, startProxy, type TestProxy } from "./proxies.js";
import { message } from "./raw-peer.js";
import { startEvilClient } from "./ssh/evil-client.js";

const mebibyte = 1024 * 1024;

/** Fills a cache with bytes that nothing makes smaller. */
function fill(proxy: TestProxy, mebibytes: number): void {
  for (let id = 0; id < mebibytes; id++) {
    proxy.put(`big${id}`, "x 1\n", { gzip: randomBytes(mebibyte), job: "big" });
  }
}

/** Bytes that this process holds outside of its heap, which is where what waits to be sent is. */
const buffered = () => process.memoryUsage().arrayBuffers;

const hello = message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" });
const ask = message({ kind: "ask", manager: true });
const plan = (fields: Record<string, unknown>) =>
  message({ kind: "plan", light: [], offer: [], want: [], ...fields } as never);
const light = (origin: string, fields: Record<string, unknown>) => ({
  origin,
  epoch: 5,
  sequence: 20_000,
  base: 20_000,
  heard: 0,
  ...fields,
});
const everything = [[1, 20_000]];

const calls: [what: string, reason: FailureReason, bytes: Buffer][] = [
  [
    "a thousand questions at once",
    "limit",
    Buffer.concat([hello, ...Array.from({ length: 1000 }, () => ask)]),
  ],
  ["its name again and again", "protocol", Buffer.concat([hello, hello])],
  ["a question before its name", "protocol", ask],
  [
    "a thousand wishes for the same",
    "protocol",
    Buffer.concat([hello, plan({ want: Array.from({ length: 1000 }, () => ["node1", 0, 0, 0]) })]),
  ],
  ["an origin twice", "protocol", Buffer.concat([hello, plan({ light: [light("x", {}), light("x", {})] })])],
  [
    "lists of removals that are short to say and long to write out",
    "limit",
    Buffer.concat([
      hello,
      plan({ light: Array.from({ length: 1900 }, (_, id) => light(`o${id}`, { kept: everything })) }),
    ]),
  ],
  [
    "renewals that are short to say and long to write out",
    "limit",
    Buffer.concat([
      hello,
      plan({
        light: [
          light("x", {
            renewals: Array.from({ length: 50_000 }, () => ({ at: 1, age: 1, only: everything })),
          }),
        ],
      }),
    ]),
  ],
  [
    "two renewals of all others",
    "protocol",
    Buffer.concat([
      hello,
      plan({
        light: [
          light("x", {
            renewals: [
              { at: 1, age: 1 },
              { at: 2, age: 1 },
            ],
          }),
        ],
      }),
    ]),
  ],
  [
    "a section that was not asked for",
    "protocol",
    Buffer.concat([
      hello,
      message({ kind: "section", section: { origin: "x", epoch: 5, sequence: 1, base: 0, heard: 0 } }),
    ]),
  ],
];

describe("a peer that holds the secret and calls, and says", () => {
  it.each(calls)("%s is cut off (%s), and soon", async (_, reason, bytes) => {
    const proxy = await startProxy("node1");
    const evil = await startEvilClient(proxy.server);
    const stream = await evil.exec("sync");
    const begun = performance.now();
    stream.write(bytes);
    stream.resume();
    await evil.closed;
    expect(proxy.failures).toEqual([reason]);
    expect(performance.now() - begun).toBeLessThan(4000);
  });

  it("a byte now and then is cut off, and others sync meanwhile", async () => {
    const proxy = await startProxy("node1", { limits: { exchangeMs: 1000 } });
    const evil = await startEvilClient(proxy.server);
    const stream = await evil.exec("sync");
    stream.write(hello);
    const dripping = setInterval(() => stream.write(Buffer.from([0x74, 0, 1])), 100);
    void evil.closed.then(() => clearInterval(dripping));
    const good = await startProxy("good");
    good.put("1", "x 1\n");
    good.talkTo(proxy);
    await good.replicator.cycle();
    expect(served(proxy)).toEqual({ "1": "x 1\n" });
    await evil.closed;
    expect(proxy.failures.length).toBe(1);
  });

  it("that it wants everything, and never reads, is cut off and fills no memory", async () => {
    const proxy = await startProxy("node1", { limits: { sendMs: 1000 } });
    fill(proxy, 64);
    const evil = await startEvilClient(proxy.server);
    const before = buffered();
    const stream = await evil.exec("sync");
    stream.resume();
    stream.write(Buffer.concat([hello, ask]));
    await sleep(200);
    evil.protocol.channelWindowAdjust(0, 2 ** 31);
    stream.write(plan({ want: [["node1", 0, 0, 0]] }));
    await sleep(20);
    evil.deaf();
    await expect.poll(() => proxy.failures, { timeout: 5000 }).toEqual(["timeout"]);
    expect(buffered() - before).toBeLessThan(32 * mebibyte);
    await expect.poll(() => proxy.server.connections, { timeout: 5000 }).toBe(0);
  });
});
