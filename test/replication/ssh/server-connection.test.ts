import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { openLink } from "../../../src/replication/ssh/client.js";
import type { PeerConnection } from "../../../src/replication/ssh/connection.js";
import { type EvilClient, startEvilClient } from "./evil-client.js";
import { keysFor, startTestServer, type TestServer } from "./test-server.js";

const mebibyte = 1024 * 1024;

/** Bytes outside of the JavaScript heap, where unsent data is. */
const buffered = () => process.memoryUsage().arrayBuffers;

async function connectPeer({ server }: TestServer) {
  const { signal } = new AbortController();
  const link = await openLink({ host: "127.0.0.1", port: server.port }, await keysFor(), signal);
  onTestFinished(() => link.close());
  return link;
}

/** Resolves with the reason when a connection ends. */
async function endOf({ ended }: PeerConnection): Promise<unknown> {
  if (!ended.aborted) await once(ended, "abort");
  return ended.reason;
}

/** Sends as fast as the server reads until it closes the connection. */
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

describe("a connection of a peer", () => {
  it("is one object for all its channels", async () => {
    const ssh = await startTestServer();
    const link = await connectPeer(ssh);
    await Promise.all([link.run("sync"), link.run("sync")]);
    await (await connectPeer(ssh)).run("sync");
    const [first, second, other] = ssh.syncs;
    expect(first).toBe(second);
    expect(first).not.toBe(other);
    expect(first?.bytes.in).toBe(link.bytes.out);
    expect(first?.bytes.out).toBeGreaterThan(500);
  });

  it("stays open beyond the idle time while two peer channels are open, and carries any amount of data", async () => {
    const ssh = await startTestServer({ limits: { idleMs: 200 } });
    const link = await connectPeer(ssh);
    const [one, two] = await Promise.all([link.run("sync"), link.run("sync")]);
    await sleep(500);
    for (const channel of [one, two]) {
      await new Promise<void>((resolve) => channel.write(Buffer.alloc(4 * mebibyte), () => resolve()));
    }
    expect(link.ended.aborted).toBe(false);
    expect(ssh.refusals).toEqual([]);
    // A person's command is still possible beside them, but only four channels in total.
    await Promise.all([link.run("sync"), link.run("sync")]);
    await expect(link.run("sync")).rejects.toMatchObject({ reason: "protocol" });
    expect(ssh.refusals).toEqual(["channels"]);
  });

  it("can be closed by either end, and both ends are informed", async () => {
    const ssh = await startTestServer();
    for (const side of ["client", "server"]) {
      const link = await connectPeer(ssh);
      await link.run("sync");
      const accepted = ssh.syncs.at(-1)!;
      (side === "client" ? link : accepted).close();
      expect(await endOf(link)).toMatchObject({ reason: "closed" });
      expect(await endOf(accepted)).toMatchObject({ reason: "closed" });
    }
    await expect.poll(() => ssh.server.connections).toBe(0);
  });

  it("aborts the signal of each command with the reason why the connection ended", async () => {
    const reasons: unknown[] = [];
    const ssh = await startTestServer({
      sync: async (_channel, connection, signal) => {
        if (!signal.aborted) await once(signal, "abort");
        reasons.push(signal.reason === connection.ended.reason);
      },
    });
    const link = await connectPeer(ssh);
    await Promise.all([link.run("sync"), link.run("sync")]);
    ssh.syncs[0]?.close();
    await expect.poll(() => reasons).toEqual([true, true]);
  });

  it("ends when one of its commands fails", async () => {
    const ssh = await startTestServer({
      sync: () => Promise.reject(new Error("bad message")),
    });
    const link = await connectPeer(ssh);
    const channel = await link.run("sync");
    channel.resume();
    expect(await endOf(link)).toMatchObject({ reason: "closed" });
  });

  it("ends with a clear error when the server does not know the command", async () => {
    const link = await connectPeer(await startTestServer());
    await link.run("sync-99");
    const message = 'peer does not support the command "sync-99": update the older one';
    expect(await endOf(link)).toMatchObject({ reason: "version", message });
  });
});

describe("an authenticated client that", () => {
  it("reads nothing of a large output with a large window fills no memory", async () => {
    const ssh = await startTestServer({ archiveMebibytes: 64 });
    const evil = await startEvilClient(ssh.server);
    const before = buffered();
    evil.protocol.session(0, 2 ** 32 - 1, 32 * 1024);
    evil.protocol.exec(0, "archive", true);
    await sleep(300);
    evil.deaf();
    await sleep(1000);
    expect(buffered() - before).toBeLessThan(32 * mebibyte);
  });

  it("sends more than the window allows is disconnected", async () => {
    const ssh = await startTestServer({ archiveMebibytes: 8 });
    const evil = await startEvilClient(ssh.server);
    await evil.exec("archive");
    // Not a divisor of the window's size, or ssh2 would detect the excess.
    const bytes = Buffer.alloc(32_000);
    await flood(evil, () => evil.protocol.channelData(0, bytes));
    expect(ssh.refusals).toContain("limit");
  });

  it("sends requests without end is disconnected", async () => {
    const ssh = await startTestServer();
    const evil = await startEvilClient(ssh.server);
    await flood(evil, () => evil.protocol.ping());
    expect(ssh.refusals).toContain("limit");
  });

  it("re-exchanges keys without end is disconnected, and the connection reports the limit", async () => {
    const ssh = await startTestServer();
    const evil = await startEvilClient(ssh.server);
    await evil.exec("sync");
    evil.client.on("handshake", () => evil.protocol.rekey());
    evil.protocol.rekey();
    await evil.closed;
    expect(ssh.refusals).toContain("limit");
    expect(await endOf(ssh.syncs[0]!)).toMatchObject({ reason: "limit" });
  });

  it("opens hundreds of channels gets four, and is disconnected", async () => {
    const ssh = await startTestServer();
    const evil = await startEvilClient(ssh.server);
    const attempts = Array.from({ length: 500 }, () =>
      evil.exec("sync").then(
        () => "open",
        () => "refused",
      ),
    );
    await evil.closed;
    const outcomes = await Promise.all(attempts);
    expect(outcomes.filter((outcome) => outcome === "open").length).toBeLessThanOrEqual(4);
    expect(ssh.refusals).toContain("channels");
    expect(ssh.refusals).toContain("limit");
  });

  it("requests a terminal, a shell, a subsystem, forwarding, an agent or X11 is refused", async () => {
    const ssh = await startTestServer();
    const { client } = await startEvilClient(ssh.server);
    const outcome = (request: (done: (error?: Error | null) => void) => void) =>
      new Promise<string>((resolve) =>
        request((error) => resolve(error instanceof Error ? "refused" : "granted")),
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
    expect(ssh.refusals.filter((reason) => reason === "requests").length).toBeGreaterThanOrEqual(9);
    // The connection itself stays usable.
    expect(await outcome((done) => client.exec("status", done))).toBe("granted");
  });

  it("repeats refused requests is disconnected", async () => {
    const ssh = await startTestServer();
    const { client, closed } = await startEvilClient(ssh.server);
    for (let time = 0; time < 200; time++) client.forwardIn("127.0.0.1", 0, () => undefined);
    await closed;
    expect(ssh.refusals).toContain("limit");
  });

  it("runs no command is disconnected after the idle time", async () => {
    const ssh = await startTestServer({ limits: { idleMs: 300 } });
    const [one, other] = [await startEvilClient(ssh.server), await startEvilClient(ssh.server)];
    one.protocol.session(0, 1024, 1024);
    await Promise.all([one.closed, other.closed]);
    await expect.poll(() => ssh.server.connections).toBe(0);
  });

  it("does not read the output of its command is disconnected after a timeout", async () => {
    const ssh = await startTestServer({ limits: { lingerMs: 300 } });
    const evil = await startEvilClient(ssh.server);
    // A window of no bytes.
    evil.protocol.session(0, 0, 1024);
    evil.protocol.exec(0, "status", true);
    await evil.closed;
    expect(ssh.refusals).toEqual(["timeout"]);
  });
});
