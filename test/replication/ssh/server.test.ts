import ssh2 from "ssh2";
import { describe, expect, it, onTestFinished } from "vitest";
import { keysFor, startProxy, testSecret } from "../proxies.js";
import { closed, connectClient, dial, logIn, strangersKey } from "./strangers.js";

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

  it("counts port scans", async () => {
    const proxy = await startProxy("node1");
    for (let scan = 0; scan < 5; scan++) await closed(dial(proxy).end());
    await expect.poll(() => proxy.refusals).toEqual(Array(5).fill("handshake"));
  });

  it("is not put off by the many keys that an agent offers before the password", async () => {
    const proxy = await startProxy("node1");
    const keys = Array.from({ length: 6 }, () => ({
      type: "publickey",
      username: "replicator",
      key: ssh2.utils.parseKey(ssh2.utils.generateKeyPairSync("ed25519").private) as ssh2.ParsedKey,
    }));
    const attempts = [...keys, { type: "password", username: "replicator", password: testSecret }];
    expect(await logIn(proxy.server.port, { authHandler: attempts as never })).toBe("ready");
    expect(proxy.refusals).toEqual(["key"]);
  });

  it("takes a request to change the password for what it is: no password", async () => {
    const proxy = await startProxy("node1");
    const client = new ssh2.Client();
    const attempt = () =>
      (client as unknown as { _protocol: { authPassword(...words: string[]): void } })._protocol.authPassword(
        "replicator",
        testSecret,
        "another one",
      );
    let ready = false;
    client.on("ready", () => {
      ready = true;
      client.end();
    });
    const over = connectClient(proxy.server.port, client, attempt);
    await expect.poll(() => proxy.refusals).toContain("password");
    client.end();
    await over;
    expect(ready).toBe(false);
  });

  it("cuts off who sends on and on before it has shown who it is", async () => {
    const proxy = await startProxy("node1", { connectionLimits: { handshakeMs: 60_000 } });
    const noisy = dial(proxy);
    // SSH_MSG_IGNORE, whatever is in it (RFC 4253, 11.2).
    const ignore = Buffer.alloc(32 + 4);
    ignore.writeUInt32BE(32);
    ignore[4] = 4;
    ignore[5] = 2;
    noisy.write("SSH-2.0-noisy\r\n");
    const timer = setInterval(() => noisy.write(Buffer.concat(Array(500).fill(ignore))), 1);
    onTestFinished(() => clearInterval(timer));
    await closed(noisy);
    await expect.poll(() => proxy.refusals).toHaveLength(1);
    expect(["limit", "handshake"]).toContain(proxy.refusals[0]);
  });

  it("cuts off who negotiates new keys before it has shown who it is", async () => {
    const proxy = await startProxy("node1", { connectionLimits: { handshakeMs: 60_000 } });
    const client = new ssh2.Client();
    let handshakes = 0;
    client.on("handshake", () => {
      handshakes++;
      (client as unknown as { _protocol: { rekey(): void } })._protocol.rekey();
    });
    await connectClient(proxy.server.port, client, () => undefined);
    expect(handshakes).toBeLessThan(4);
    await expect.poll(() => proxy.refusals).toEqual(["limit"]);
  });

  it("goes on for its peers while others at their address call all the time with wrong keys and passwords", async () => {
    const limits = { unauthenticated: 8, unauthenticatedPerAddress: 8 };
    const proxy = await startProxy("node1", { connectionLimits: limits });
    const { client: wrongKey } = await keysFor("another secret altogether");
    let over = false;
    const calling = Array.from({ length: 4 }, async () => {
      while (!over) {
        const host = { hostVerifier: () => false };
        await logIn(proxy.server.port, { privateKey: wrongKey.privateKey, ...host });
        await logIn(proxy.server.port, { password: "wrong", authHandler: ["password"] });
      }
    });
    for (let cycle = 1; cycle <= 5; cycle++) {
      const peer = await startProxy(`peer${cycle}`);
      peer.put(String(cycle), `x ${cycle}\n`);
      peer.talkTo(proxy);
      await peer.replicator.cycle();
      expect(peer.failures).toEqual([]);
    }
    over = true;
    await Promise.all(calling);
    expect(proxy.cache.all()).toHaveLength(5);
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
