import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import ssh2 from "ssh2";
import { describe, expect, it, onTestFinished } from "vitest";
import { openLink } from "../../../src/replication/ssh/client.js";
import { sshAlgorithms } from "../../../src/replication/ssh/connection.js";
import { startTcpTarget } from "../../support/target-server.js";
import type { RawProtocol } from "./evil-client.js";
import { keysFor, startTestServer } from "./test-server.js";
import { randomKey } from "./unauthenticated-client.js";

const mebibyte = 1024 * 1024;

async function link(port: number, connectMs = 3000, signal = new AbortController().signal) {
  const opened = await openLink({ host: "127.0.0.1", port }, await keysFor(), signal, connectMs);
  onTestFinished(() => opened.close());
  return opened;
}

/** A server with the given host key that accepts any client and records what it receives. */
async function startImpostor(hostKey: ssh2.ServerConfig["hostKeys"][number] = randomKey()) {
  const received: string[] = [];
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    client.on("error", () => undefined);
    client.on("authentication", (context) => {
      received.push(context.method);
      context.accept();
    });
    client.on("session", () => received.push("session"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  onTestFinished(() => void server.close());
  return { port: (server.address() as { port: number }).port, received };
}

/** A peer that holds the secret and whose channels do what a test wants. */
async function startHostilePeer(talk: (channel: ssh2.ServerChannel, protocol: RawProtocol) => void) {
  const keys = await keysFor();
  const server = new ssh2.Server(
    { hostKeys: [keys.host.privateKey], algorithms: sshAlgorithms },
    (client) => {
      client.on("error", () => undefined);
      client.on("authentication", (context) => context.accept());
      client.on("session", (accept) => {
        accept().on("exec", (acceptExec) => {
          const channel = acceptExec();
          channel.on("error", () => undefined);
          talk(channel, (client as unknown as { _protocol: RawProtocol })._protocol);
        });
      });
    },
  );
  const sockets = new Set<Socket>();
  const { port } = await startTcpTarget((socket) => {
    sockets.add(socket);
    server.injectSocket(socket);
  });
  const stopReading = () => {
    for (const socket of sockets) socket.pause();
  };
  return { port, stopReading };
}

describe("openLink() sends no key, password or data to", () => {
  it("a server with a host key of another type", async () => {
    const { port, received } = await startImpostor();
    await expect(link(port)).rejects.toMatchObject({
      reason: "host_key",
      message: expect.stringMatching(/SSHPASS.*impostor/),
    });
    expect(received).toEqual([]);
  });

  it("a server with another host key of the same type", async () => {
    const { host } = await keysFor("another secret");
    const { port, received } = await startImpostor(host.privateKey);
    await expect(link(port)).rejects.toMatchObject({ reason: "host_key" });
    expect(received).toEqual([]);
  });

  it("a server that sends the right host key without having its private key", async () => {
    const { host } = await keysFor();
    const { host: other } = await keysFor("another secret");
    const key = ssh2.utils.parseKey(other.privateKey) as ssh2.ParsedKey;
    key.getPublicSSH = () => host.publicKey;
    const { port, received } = await startImpostor({ key } as never);
    await expect(link(port)).rejects.toMatchObject({ reason: "host_key" });
    expect(received).toEqual([]);
  });
});

describe("openLink()", () => {
  it("reports `auth` if the peer rejects the client key", async () => {
    const { host } = await keysFor();
    const server = new ssh2.Server({ hostKeys: [host.privateKey] }, (client) => {
      client.on("error", () => undefined);
      client.on("authentication", (context) => context.reject(["publickey"]));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    onTestFinished(() => void server.close());
    await expect(link((server.address() as { port: number }).port)).rejects.toMatchObject({ reason: "auth" });
  });

  it("reports `connect` if nothing listens or the connection closes early", async () => {
    const server = createServer((socket) => socket.resume().end());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as { port: number };
    await expect(link(port)).rejects.toMatchObject({ reason: "connect" });
    server.close();
    await once(server, "close");
    await expect(link(port)).rejects.toMatchObject({
      reason: "connect",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("reports the text of a disconnect without what a terminal would act on", async () => {
    const text = Buffer.from("\x1b]0;owned\x07\u202etxt");
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    // SSH_MSG_DISCONNECT for reason 2, with a description and without a language (RFC 4253, 11.1).
    const payload = Buffer.concat([Buffer.from([1, 0, 0, 0, 2]), length, text, Buffer.alloc(4)]);
    const padding = 12 - ((payload.length + 9) % 8);
    const header = Buffer.from([0, 0, 0, payload.length + padding + 1, padding]);
    const packet = Buffer.concat([header, payload, Buffer.alloc(padding)]);
    const { port } = await startTcpTarget((socket) => {
      socket.write("SSH-2.0-x\r\n");
      socket.write(packet);
    });
    await expect(link(port)).rejects.toMatchObject({
      reason: "connect",
      message: expect.stringMatching(/^cannot connect: .*\\u001b\]0;owned\\u0007\\u202etxt$/),
    });
  });

  it("reports `timeout` if the server does not respond", async () => {
    const { port } = await startTcpTarget(() => undefined);
    await expect(link(port, 200)).rejects.toMatchObject({ reason: "timeout" });
  });

  it("can be cancelled at any moment and leaves no connection open", async () => {
    const { server } = await startTestServer();
    for (const delay of [0, 1, 2, 5, 10, 15, 20, 30]) {
      const controller = new AbortController();
      const opening = link(server.port, 3000, controller.signal).then(
        (opened) => opened.close(),
        (error) => expect(error).toMatchObject({ reason: "closed" }),
      );
      setTimeout(() => controller.abort(), delay);
      await opening;
      await expect.poll(() => server.connections, { timeout: 3000 }).toBe(0);
    }
    await expect(link(server.port, 3000, AbortSignal.abort())).rejects.toMatchObject({ reason: "closed" });
  });

  it.each([
    ["lines without end before its identification", "line\r\n"],
    ["a line without end", "line "],
    ["binary data", "\0\r\n\r"],
  ])("fails when the server sends %s", async (_, text) => {
    const { port } = await startTcpTarget((socket) => {
      const timer = setInterval(() => {
        if (socket.writableLength < mebibyte) socket.write(text.repeat(2000));
      }, 1);
      socket.on("close", () => clearInterval(timer));
    });
    await expect(link(port)).rejects.toMatchObject({
      reason: expect.stringMatching(/connect|limit|protocol/),
    });
  });
});

describe("SshLink", () => {
  it("buffers little for a peer that allows any amount and reads nothing", async () => {
    const peer = await startHostilePeer((_channel, protocol) => {
      protocol.channelWindowAdjust(0, 2 ** 31);
      peer.stopReading();
    });
    const channel = await (await link(peer.port)).run("sync");
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const deadline = performance.now() + 1000;
    for (let sent = 0; sent < 64 && performance.now() < deadline; sent++) {
      const written = new Promise<void>((resolve) => channel.write(randomBytes(mebibyte), () => resolve()));
      await Promise.race([written, new Promise((resolve) => setTimeout(resolve, 1000))]);
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    expect(performance.now()).toBeGreaterThan(deadline);
    expect(most).toBeLessThan(32 * mebibyte);
  });

  it("ends when the peer re-exchanges keys without end", async () => {
    const peer = await startHostilePeer((_channel, protocol) => {
      const timer = setInterval(() => protocol.rekey(), 5);
      onTestFinished(() => clearInterval(timer));
    });
    const opened = await link(peer.port);
    await opened.run("sync");
    if (!opened.ended.aborted) await once(opened.ended, "abort");
    expect(opened.ended.reason).toMatchObject({ reason: "limit" });
    await expect(opened.run("sync")).rejects.toBe(opened.ended.reason);
  });
});
