import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { FailureReason } from "../../src/replication/peer-error.js";
import { served, startProxy, type TestProxy } from "./proxies.js";
import { message } from "./raw-peer.js";
import { type EvilClient, startEvilClient } from "./ssh/evil-client.js";

const mebibyte = 1024 * 1024;

/** Fills a cache with bytes that nothing makes smaller. */
function fill(proxy: TestProxy, mebibytes: number): void {
  for (let id = 0; id < mebibytes; id++) {
    proxy.put(`big${id}`, "x 1\n", { gzip: randomBytes(mebibyte), job: "big" });
  }
}

/** Bytes that this process holds outside of its heap, which is where what waits to be sent is. */
const buffered = () => process.memoryUsage().arrayBuffers;

/** Writes as fast as the other end takes it until it has cut us off. */
async function flood({ socket, closed }: EvilClient, send: () => void): Promise<void> {
  let over = false;
  void closed.then(() => {
    over = true;
  });
  while (!over) {
    for (let time = 0; time < 500; time++) send();
    if (socket.writableNeedDrain) await Promise.race([once(socket, "drain").catch(() => undefined), closed]);
    else await sleep(0);
  }
}

describe("somebody who has logged in and", () => {
  it("lets the archive come without reading it, however large the window, fills no memory", async () => {
    const proxy = await startProxy("node1");
    fill(proxy, 64);
    const evil = await startEvilClient(proxy.server);
    const before = buffered();
    evil.protocol.session(0, 2 ** 32 - 1, 32 * 1024);
    evil.protocol.exec(0, "export", true);
    await sleep(300);
    evil.deaf();
    await sleep(1000);
    expect(buffered() - before).toBeLessThan(32 * mebibyte);
  });

  it("sends more than the window allows is cut off", async () => {
    const proxy = await startProxy("node1");
    fill(proxy, 8);
    const evil = await startEvilClient(proxy.server);
    await evil.exec("export");
    // Of a size that the window is no multiple of, or ssh2 would see that it is used up.
    const bytes = Buffer.alloc(32_000);
    await flood(evil, () => evil.protocol.channelData(0, bytes));
    expect(proxy.refusals).toContain("limit");
  });

  it("asks without end is cut off", async () => {
    const proxy = await startProxy("node1");
    const evil = await startEvilClient(proxy.server);
    await flood(evil, () => evil.protocol.ping());
    expect(proxy.refusals).toContain("limit");
  });

  it("negotiates new keys without end is cut off", async () => {
    const proxy = await startProxy("node1");
    const evil = await startEvilClient(proxy.server);
    evil.client.on("handshake", () => evil.protocol.rekey());
    evil.protocol.rekey();
    await evil.closed;
    expect(proxy.refusals).toContain("limit");
  });

  it("opens hundreds of channels gets few, and is cut off", async () => {
    const proxy = await startProxy("node1");
    const evil = await startEvilClient(proxy.server);
    const tries = Array.from({ length: 500 }, () =>
      evil.exec("sync").then(
        () => "open",
        () => "refused",
      ),
    );
    await evil.closed;
    const outcomes = await Promise.all(tries);
    expect(outcomes.filter((outcome) => outcome === "open").length).toBeLessThanOrEqual(4);
    expect(proxy.refusals).toContain("channels");
    expect(proxy.refusals).toContain("limit");
  });

  it("asks for a terminal, a shell, a subsystem, forwarding, an agent or X11 gets none of it", async () => {
    const proxy = await startProxy("node1");
    const { client } = await startEvilClient(proxy.server);
    const outcome = (ask: (done: (error?: Error | null) => void) => void) =>
      new Promise<string>((resolve) =>
        ask((error) => resolve(error instanceof Error ? "refused" : "granted")),
      );
    expect(await outcome((done) => client.shell(done))).toBe("refused");
    expect(await outcome((done) => client.exec("status", { pty: true }, done))).toBe("refused");
    expect(await outcome((done) => client.exec("status", { x11: true }, done))).toBe("refused");
    expect(await outcome((done) => client.subsys("netconf", done))).toBe("refused");
    expect(await outcome((done) => client.sftp(done))).toBe("refused");
    expect(await outcome((done) => client.forwardIn("127.0.0.1", 0, done))).toBe("refused");
    expect(await outcome((done) => client.forwardOut("127.0.0.1", 1, "127.0.0.1", 22, done))).toBe("refused");
    expect(await outcome((done) => client.openssh_forwardInStreamLocal("/tmp/a", done))).toBe("refused");
    expect(await outcome((done) => client.openssh_forwardOutStreamLocal("/run/docker.sock", done))).toBe(
      "refused",
    );
    expect(proxy.refusals.filter((reason) => reason === "requests").length).toBeGreaterThanOrEqual(9);
    // What it may have it still gets.
    expect(await outcome((done) => client.exec("status", done))).toBe("granted");
  });

  it("asks for such things on and on is cut off", async () => {
    const proxy = await startProxy("node1");
    const { client, closed } = await startEvilClient(proxy.server);
    for (let time = 0; time < 200; time++) client.forwardIn("127.0.0.1", 0, () => undefined);
    await closed;
    expect(proxy.refusals).toContain("limit");
  });

  it("opens a session and asks for nothing, or nothing at all, is sent away after a while", async () => {
    const proxy = await startProxy("node1", { connectionTimings: { idleMs: 300 } });
    const [one, other] = [await startEvilClient(proxy.server), await startEvilClient(proxy.server)];
    one.protocol.session(0, 1024, 1024);
    await Promise.all([one.closed, other.closed]);
    await expect.poll(() => proxy.server.connections).toBe(0);
  });

  it("does not take what it asked for is cut off after a while", async () => {
    const proxy = await startProxy("node1", { connectionTimings: { lingerMs: 300 } });
    const evil = await startEvilClient(proxy.server);
    // A window of no bytes.
    evil.protocol.session(0, 0, 1024);
    evil.protocol.exec(0, "status", true);
    await evil.closed;
    expect(proxy.refusals).toEqual(["timeout"]);
  });

  it("goes away in the middle of an archive makes room for the next one", async () => {
    const proxy = await startProxy("node1");
    fill(proxy, 16);
    for (let time = 0; time < 6; time++) {
      const { client, socket } = await startEvilClient(proxy.server);
      const channel = await new Promise<NodeJS.ReadableStream>((resolve, reject) =>
        client.exec("export", (error, stream) => (error === undefined ? resolve(stream) : reject(error))),
      );
      await once(channel, "readable");
      socket.destroy();
    }
    await expect.poll(() => proxy.server.connections).toBe(0);
    const { client } = await startEvilClient(proxy.server);
    const bytes = await new Promise<number>((resolve, reject) =>
      client.exec("export", (error, stream) => {
        if (error !== undefined) return reject(error);
        let count = 0;
        stream.on("data", (chunk: Buffer) => {
          count += chunk.length;
        });
        stream.on("close", () => resolve(count));
      }),
    );
    expect(bytes).toBeGreaterThan(16 * mebibyte);
  });
});

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
