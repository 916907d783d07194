import ssh2 from "ssh2";
import { describe, expect, it, onTestFinished } from "vitest";
import { openLink } from "../../../src/replication/ssh/client.js";
import { keysFor, startTestServer, type TestServer, testSecret } from "./test-server.js";
import { closed, connectClient, dial, logIn, randomKey } from "./unauthenticated-client.js";

/** Connects as a peer and opens a channel. */
async function connectPeer({ server }: TestServer) {
  const { signal } = new AbortController();
  const link = await openLink({ host: "127.0.0.1", port: server.port }, await keysFor(), signal);
  onTestFinished(() => link.close());
  return { link, channel: await link.run("sync") };
}

describe("the SSH server", () => {
  it("accepts only the key derived from the secret", async () => {
    const ssh = await startTestServer();
    const { client } = await keysFor();
    const { client: other } = await keysFor("another secret");
    const { port } = ssh.server;
    expect(await logIn(port, { privateKey: client.privateKey, authHandler: ["publickey"] })).toBe("ready");
    const refused = "All configured authentication methods failed";
    expect(await logIn(port, { privateKey: other.privateKey, authHandler: ["publickey"] })).toBe(refused);
    expect(await logIn(port, { privateKey: randomKey(), authHandler: ["publickey"] })).toBe(refused);
    expect(await logIn(port, { authHandler: ["none"] })).toBe(refused);
    expect(ssh.refusals).toEqual(["key", "key"]);
  });

  it("rejects the shared key with a wrong signature", async () => {
    const ssh = await startTestServer();
    const { client } = await keysFor();
    const { client: other } = await keysFor("another secret");
    // A client that sends the right public key and signs with another private key.
    const forged = ssh2.utils.parseKey(other.privateKey) as ssh2.ParsedKey;
    forged.getPublicSSH = () => client.publicKey;
    const outcome = await logIn(ssh.server.port, {
      authHandler: [{ type: "publickey", username: "replicator", key: forged } as unknown as "publickey"],
    });
    expect(outcome).not.toBe("ready");
    expect(ssh.refusals).toContain("key");
  });

  it("ends a connection after three wrong attempts", async () => {
    const ssh = await startTestServer();
    let attempts = 0;
    const outcome = await logIn(ssh.server.port, {
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
    expect(ssh.refusals.filter((reason) => reason === "password")).toHaveLength(3);
  });

  it("closes connections that do not authenticate in time", async () => {
    const ssh = await startTestServer({ limits: { handshakeMs: 300 } });
    const silent = dial(ssh);
    const half = dial(ssh);
    half.write("SSH-2.0-half\r\n");
    const dripping = dial(ssh);
    const timer = setInterval(() => dripping.write("S"), 50);
    onTestFinished(() => clearInterval(timer));
    await Promise.all([closed(silent), closed(half), closed(dripping)]);
    await expect.poll(() => ssh.server.connections).toBe(0);
    expect(ssh.refusals).toContain("handshake");
  });

  it("counts port scans", async () => {
    const ssh = await startTestServer();
    for (let scan = 0; scan < 5; scan++) await closed(dial(ssh).end());
    await expect.poll(() => ssh.refusals).toEqual(Array(5).fill("handshake"));
  });

  it("accepts the password after an agent offered many wrong keys", async () => {
    const ssh = await startTestServer();
    const keys = Array.from({ length: 6 }, () => ({
      type: "publickey",
      username: "replicator",
      key: ssh2.utils.parseKey(ssh2.utils.generateKeyPairSync("ed25519").private) as ssh2.ParsedKey,
    }));
    const attempts = [...keys, { type: "password", username: "replicator", password: testSecret }];
    expect(await logIn(ssh.server.port, { authHandler: attempts as never })).toBe("ready");
    expect(ssh.refusals).toEqual(["key"]);
  });

  it("rejects a request to change the password", async () => {
    const ssh = await startTestServer();
    const client = new ssh2.Client();
    const attempt = () =>
      (client as unknown as { _protocol: { authPassword(...args: string[]): void } })._protocol.authPassword(
        "replicator",
        testSecret,
        "new password",
      );
    let ready = false;
    client.on("ready", () => {
      ready = true;
      client.end();
    });
    const over = connectClient(ssh.server.port, client, attempt);
    await expect.poll(() => ssh.refusals).toContain("password");
    client.end();
    await over;
    expect(ready).toBe(false);
  });

  it("limits the bytes received before authentication", async () => {
    const ssh = await startTestServer({ limits: { handshakeMs: 60_000 } });
    const noisy = dial(ssh);
    // SSH_MSG_IGNORE (RFC 4253, section 11.2).
    const ignore = Buffer.alloc(32 + 4);
    ignore.writeUInt32BE(32);
    ignore[4] = 4;
    ignore[5] = 2;
    noisy.write("SSH-2.0-noisy\r\n");
    const timer = setInterval(() => noisy.write(Buffer.concat(Array(500).fill(ignore))), 1);
    onTestFinished(() => clearInterval(timer));
    await closed(noisy);
    await expect.poll(() => ssh.refusals).toHaveLength(1);
    expect(["limit", "handshake"]).toContain(ssh.refusals[0]);
  });

  it("closes connections that re-exchange keys before authentication", async () => {
    const ssh = await startTestServer({ limits: { handshakeMs: 60_000 } });
    const client = new ssh2.Client();
    let handshakes = 0;
    client.on("handshake", () => {
      handshakes++;
      (client as unknown as { _protocol: { rekey(): void } })._protocol.rekey();
    });
    await connectClient(ssh.server.port, client, () => undefined);
    expect(handshakes).toBeLessThan(4);
    await expect.poll(() => ssh.refusals).toEqual(["limit"]);
  });

  it("accepts peers during a flood of wrong keys and passwords from their address", async () => {
    const limits = { unauthenticated: 8, unauthenticatedPerAddress: 8 };
    const ssh = await startTestServer({ limits });
    const { client: wrongKey } = await keysFor("another secret altogether");
    let over = false;
    const flood = Array.from({ length: 4 }, async () => {
      while (!over) {
        const host = { hostVerifier: () => false };
        await logIn(ssh.server.port, { privateKey: wrongKey.privateKey, ...host });
        await logIn(ssh.server.port, { password: "wrong", authHandler: ["password"] });
      }
    });
    for (let peer = 0; peer < 5; peer++) await connectPeer(ssh);
    over = true;
    await Promise.all(flood);
    expect(ssh.syncs).toHaveLength(5);
  });

  it.each([
    ["an HTTP request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["a TLS handshake", Buffer.from("1603010200010001fc0303", "hex")],
    ["bytes without a line end", Buffer.alloc(1024 * 1024, 65)],
    ["a packet with a length of 4 GB", Buffer.concat([Buffer.from("SSH-2.0-x\r\n"), Buffer.alloc(64, 0xff)])],
    ["an old protocol", "SSH-1.5-old\r\n"],
  ])("survives %s", async (_, bytes) => {
    const ssh = await startTestServer({ limits: { handshakeMs: 500 } });
    const socket = dial(ssh);
    socket.write(bytes);
    await closed(socket);
    await expect.poll(() => ssh.server.connections).toBe(0);
    const { client } = await keysFor();
    expect(await logIn(ssh.server.port, { privateKey: client.privateKey, authHandler: ["publickey"] })).toBe(
      "ready",
    );
  });

  it("limits unauthenticated connections, drops the oldest first, and still accepts peers", async () => {
    const limits = { unauthenticated: 8, unauthenticatedPerAddress: 100, handshakeMs: 60_000 };
    const ssh = await startTestServer({ limits });
    const clients = Array.from({ length: 50 }, () => dial(ssh));
    await expect.poll(() => clients.filter(({ closed }) => closed).length).toBe(42);
    expect(ssh.server.connections).toBe(8);
    await connectPeer(ssh);
  });

  it("limits unauthenticated connections per address", async () => {
    const ssh = await startTestServer({ limits: { unauthenticatedPerAddress: 3 } });
    const clients = Array.from({ length: 10 }, () => dial(ssh));
    await expect.poll(() => clients.filter(({ closed }) => closed).length).toBe(7);
    expect(ssh.refusals.filter((reason) => reason === "connections")).toHaveLength(7);
  });

  it("reports the address of a client that rejects its host key", async () => {
    const ssh = await startTestServer();
    const refused = expect.objectContaining({ reason: "host_key" });
    const keys = await keysFor("another secret");
    const address = { host: "127.0.0.1", port: ssh.server.port };
    await expect(openLink(address, keys, new AbortController().signal)).rejects.toEqual(refused);
    await expect.poll(() => ssh.refusals).toEqual(["host_key"]);
    expect(ssh.hostKeyRefusals).toEqual(["127.0.0.1"]);
  });

  it("closes all connections when it stops", async () => {
    const ssh = await startTestServer();
    const client = dial(ssh);
    await expect.poll(() => client.received.length).toBeGreaterThan(0);
    await ssh.server.stop();
    await closed(client);
    await expect.poll(() => ssh.server.connections).toBe(0);
  });
});
