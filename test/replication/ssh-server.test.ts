import { generateKeyPairSync } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2 from "ssh2";
import { describe, expect, it, onTestFinished } from "vitest";
import { sshAlgorithms } from "../../src/replication/ssh-algorithms.js";
import { keysFor, startProxy, type TestProxy } from "./proxies.js";

/** A TCP connection to a proxy's SSH port. */
function dial({ server }: TestProxy): Socket & { received: Buffer[] } {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  const received: Buffer[] = [];
  socket.on("data", (chunk) => received.push(chunk));
  onTestFinished(() => void socket.destroy());
  return Object.assign(socket, { received });
}

const closed = (socket: Socket) =>
  socket.closed ? Promise.resolve() : new Promise<void>((resolve) => socket.once("close", () => resolve()));

/** What comes of an attempt to log in: `ready`, or the error. */
function logIn(port: number, settings: ssh2.ConnectConfig): Promise<string> {
  return new Promise((resolve) => {
    const client = new ssh2.Client();
    client.on("ready", () => {
      resolve("ready");
      client.end();
    });
    client.on("error", (error) => resolve(error.message));
    client.on("close", () => resolve("closed"));
    client.connect({
      host: "127.0.0.1",
      port,
      username: "replicator",
      algorithms: sshAlgorithms,
      ...settings,
    });
  });
}

function strangersKey(): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return privateKey.export({ type: "pkcs1", format: "pem" }).toString();
}

describe("the SSH server", () => {
  it("takes the key that comes from the secret, and no other", async () => {
    const proxy = await startProxy("node1");
    const { client } = await keysFor();
    const { client: other } = await keysFor("another secret");
    const { port } = proxy.server;
    expect(await logIn(port, { privateKey: client.privateKey, authHandler: ["publickey"] })).toBe("ready");
    const refused = "All configured authentication methods failed";
    expect(await logIn(port, { privateKey: other.privateKey, authHandler: ["publickey"] })).toBe(refused);
    expect(await logIn(port, { privateKey: strangersKey(), authHandler: ["publickey"] })).toBe(refused);
    expect(await logIn(port, { authHandler: ["none"] })).toBe(refused);
    expect(proxy.refusals).toEqual(["key", "key"]);
  });

  it("does not take the shared key with somebody else's signature", async () => {
    const proxy = await startProxy("node1");
    const { client } = await keysFor();
    const { client: other } = await keysFor("another secret");
    // A client that shows the public half, and signs with what it has.
    const thief = ssh2.utils.parseKey(other.privateKey) as ssh2.ParsedKey;
    thief.getPublicSSH = () => client.publicKey;
    const outcome = await logIn(proxy.server.port, {
      authHandler: [{ type: "publickey", username: "replicator", key: thief } as unknown as "publickey"],
    });
    expect(outcome).not.toBe("ready");
    expect(proxy.refusals).toContain("key");
  });

  it("ends a connection after three wrong attempts", async () => {
    const proxy = await startProxy("node1");
    let attempts = 0;
    const outcome = await logIn(proxy.server.port, {
      authHandler: (_left, _partial, next) => {
        if (++attempts > 6) return void next(false as never);
        (next as (method: unknown) => void)({
          type: "password",
          username: "root",
          password: `wrong ${attempts}`,
        });
      },
    });
    expect(outcome).not.toBe("ready");
    expect(attempts).toBeLessThanOrEqual(4);
    expect(proxy.refusals.filter((reason) => reason === "password")).toHaveLength(3);
  });

  it("cuts off who connects and says nothing, or not enough, in time", async () => {
    const proxy = await startProxy("node1", { connectionLimits: { handshakeMs: 300 } });
    const silent = dial(proxy);
    const half = dial(proxy);
    half.write("SSH-2.0-half\r\n");
    const dripping = dial(proxy);
    const timer = setInterval(() => dripping.write("S"), 50);
    onTestFinished(() => clearInterval(timer));
    await Promise.all([closed(silent), closed(half), closed(dripping)]);
    await expect.poll(() => proxy.server.connections).toBe(0);
    expect(proxy.refusals).toContain("handshake");
  });

  it.each([
    ["an HTTP request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["a TLS handshake", Buffer.from("1603010200010001fc0303", "hex")],
    ["bytes without a line end", Buffer.alloc(1024 * 1024, 65)],
    [
      "a packet that says that it is 4 GB long",
      Buffer.concat([Buffer.from("SSH-2.0-x\r\n"), Buffer.alloc(64, 0xff)]),
    ],
    ["an old protocol", "SSH-1.5-old\r\n"],
  ])("survives %s", async (_, bytes) => {
    const proxy = await startProxy("node1", { connectionLimits: { handshakeMs: 500 } });
    const socket = dial(proxy);
    socket.write(bytes);
    await closed(socket);
    await expect.poll(() => proxy.server.connections).toBe(0);
    const { client } = await keysFor();
    expect(
      await logIn(proxy.server.port, { privateKey: client.privateKey, authHandler: ["publickey"] }),
    ).toBe("ready");
  });

  it("holds only so many strangers, drops the oldest for the newest, and peers get in all the same", async () => {
    const limits = { unauthenticated: 8, unauthenticatedPerAddress: 100, handshakeMs: 60_000 };
    const proxy = await startProxy("node1", { connectionLimits: limits });
    const strangers = Array.from({ length: 50 }, () => dial(proxy));
    await expect.poll(() => strangers.filter(({ closed }) => closed).length).toBe(42);
    expect(proxy.server.connections).toBe(8);
    const peer = await startProxy("peer");
    peer.talkTo(proxy);
    await peer.replicator.cycle();
    expect(peer.replicator.statuses()).toMatchObject([{ state: "connected" }]);
  });

  it("takes only so many strangers from one address", async () => {
    const proxy = await startProxy("node1", { connectionLimits: { unauthenticatedPerAddress: 3 } });
    const strangers = Array.from({ length: 10 }, () => dial(proxy));
    await expect.poll(() => strangers.filter(({ closed }) => closed).length).toBe(7);
    expect(proxy.refusals.filter((reason) => reason === "connections")).toHaveLength(7);
  });

  it("leaves nothing behind when it stops", async () => {
    const proxy = await startProxy("node1");
    const stranger = dial(proxy);
    await expect.poll(() => stranger.received.length).toBeGreaterThan(0);
    await proxy.stop();
    await closed(stranger);
    await expect.poll(() => proxy.server.connections).toBe(0);
  });
});

describe("an impostor in the place of a peer", () => {
  /** A server with a host key of its own that takes whatever it is offered, and remembers it. */
  async function startImpostor() {
    const heard: string[] = [];
    const server = new ssh2.Server({ hostKeys: [strangersKey()] }, (client) => {
      client.on("error", () => undefined);
      client.on("authentication", (context) => {
        heard.push(context.method);
        context.accept();
      });
      client.on("session", () => heard.push("session"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    onTestFinished(() => void server.close());
    return { server: { port: (server.address() as { port: number }).port }, heard };
  }

  it("gets neither a key, nor a secret, nor data", async () => {
    const proxy = await startProxy("node1");
    proxy.put("1", "x 1\n");
    const impostor = await startImpostor();
    proxy.talkTo(impostor);
    await proxy.replicator.cycle();
    expect(impostor.heard).toEqual([]);
    expect(proxy.failures).toHaveLength(1);
    expect(["host_key", "connect"]).toContain(proxy.failures[0]);
  });

  it("is told from a node with another secret by nothing: both have another host key", async () => {
    const proxy = await startProxy("node1");
    const other = await startProxy("node2", { secret: "another secret altogether" });
    proxy.put("1", "x 1\n");
    proxy.talkTo(other);
    await proxy.replicator.cycle();
    expect(proxy.failures).toEqual(["host_key"]);
    expect(proxy.replicator.statuses()[0]?.lastError).toContain("SSHPASS");
    expect(other.cache.all()).toEqual([]);
  });

  it("that never answers costs no more than the time for connecting", async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket.on("error", () => undefined)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    onTestFinished(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    const proxy = await startProxy("node1");
    const good = await startProxy("good");
    proxy.put("1", "x 1\n");
    proxy.talkTo({ server: { port: (server.address() as { port: number }).port } }, good);
    const cycle = proxy.replicator.cycle();
    await expect.poll(() => good.cache.all().length, { timeout: 1000 }).toBe(1);
    await cycle;
    expect(proxy.failures).toEqual(["timeout"]);
    await sleep(0);
  });
});
