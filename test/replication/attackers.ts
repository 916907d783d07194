import { once, setMaxListeners } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import ssh2 from "ssh2";
import {
  frame,
  hello,
  memberHeader,
  memberOf,
  memberOfSize,
  messagesCommand,
  offerOf,
  openRawLink,
  publish,
  startRawPeer,
  tarOf,
  tenGigabytes,
} from "./raw-peer.js";
import { type EvilClient, startEvilClient } from "./ssh/evil-client.js";
import { logIn } from "./ssh/unauthenticated-client.js";

const mebibyte = 1024 * 1024;

/** One attack on a proxy's SSH port; its outcome is ignored. */
type Attempt = (port: number, signal: AbortSignal) => Promise<unknown>;

/** Invalid members of archives, for a scrape of an origin. */
const archives: ((origin: string) => Promise<Buffer>)[] = [
  (origin) => tarOf([{ header: { ...memberHeader(origin), name: "../../etc/passwd" } }]),
  (origin) => tarOf([{ header: { ...memberHeader(origin), type: "symlink", linkname: "/etc/passwd" } }]),
  (origin) => memberOfSize(origin, tenGigabytes),
  async (origin) => (await memberOf(origin)).subarray(0, 600),
  async () => Buffer.alloc(mebibyte, 7),
  (origin) => memberOf(origin, { gzip: gzipSync(Buffer.alloc(64 * mebibyte)) }),
];

/** A publication of the maximum size without its end, and how many of them are sent. */
const endless = frame("{}", Buffer.alloc(4 * mebibyte)).subarray(0, -1);
const endlessPublications = 110;

/** Bytes that the attackers try to keep in a node's memory. */
export const heldByAttack = endlessPublications * endless.length;

let made = 0;

/** Connects to a proxy with the secret and runs an attack until it is disconnected. */
async function call(
  { port }: { readonly port: number },
  signal: AbortSignal,
  from: string,
  deed: (evil: EvilClient) => Promise<unknown>,
): Promise<void> {
  const evil = await startEvilClient({ port }, from);
  const hangUp = () => void evil.socket.destroy();
  signal.addEventListener("abort", hangUp, { once: true });
  if (signal.aborted) hangUp();
  await deed(evil).catch(() => undefined);
  await evil.closed;
  signal.removeEventListener("abort", hangUp);
}

async function dialFrom(localAddress: string, port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  socket.on("error", () => undefined);
  await Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => undefined);
  return socket;
}

/** Sends a few bytes or none, and waits until it is disconnected. */
const halfOpen =
  (from: string): Attempt =>
  async (port, signal) => {
    const socket = await dialFrom(from, port);
    if (Math.random() < 0.5) socket.write("SSH-2.0-half");
    socket.resume();
    const hangUp = () => void socket.destroy();
    signal.addEventListener("abort", hangUp, { once: true });
    if (!socket.closed && !signal.aborted) await once(socket, "close").catch(() => undefined);
    hangUp();
    signal.removeEventListener("abort", hangUp);
  };

const unknownKey = ssh2.utils.generateKeyPairSync("ed25519").private;

/** The attacks, which repeat all the time, with their concurrency. */
const attempts: readonly (readonly [concurrency: number, attempt: Attempt])[] = [
  [
    2,
    (port) => logIn(port, { privateKey: unknownKey, authHandler: ["publickey"], localAddress: "127.0.0.2" }),
  ],
  [2, (port) => logIn(port, { password: "wrong", authHandler: ["password"], localAddress: "127.0.0.3" })],
  [1, (port) => logIn(port, { hostVerifier: () => false, localAddress: "127.0.0.4" })],
  // A port scan.
  [
    2,
    async (port) => {
      const socket = await dialFrom("127.0.0.5", port);
      if (Math.random() < 0.5) socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      socket.destroy();
    },
  ],
  // Also from the addresses of the peers.
  [100, halfOpen("127.0.0.1")],
  [150, halfOpen("127.0.0.6")],
  [
    1,
    (port, signal) =>
      call({ port }, signal, "127.0.0.7", async ({ client, exec }) => {
        client.shell(() => undefined);
        client.sftp(() => undefined);
        client.forwardOut("127.0.0.1", 1, "127.0.0.1", 22, () => undefined);
        await Promise.allSettled(Array.from({ length: 8 }, () => exec("sh")));
        for (let ask = 0; ask < 200; ask++) client.forwardIn("127.0.0.1", 0, () => undefined);
      }),
  ],
  [
    1,
    (port, signal) =>
      call({ port }, signal, "127.0.0.7", async ({ client, protocol }) => {
        client.on("handshake", () => protocol.rekey());
        protocol.rekey();
      }),
  ],
  [
    2,
    (port, signal) =>
      call({ port }, signal, "127.0.0.8", async (evil) => {
        const link = await openRawLink(evil);
        const origin = `evil${made++}`;
        const archive = await archives[made % archives.length]!(origin);
        await publish(link, { [origin]: offerOf(origin) }, () => void link.scrapes.write(archive));
      }),
  ],
  [
    1,
    (port, signal) =>
      call({ port }, signal, "127.0.0.8", async ({ exec }) => {
        const messages = await exec(messagesCommand);
        messages.resume();
        messages.write(frame("rubbish"));
      }),
  ],
  [
    endlessPublications,
    (port, signal) =>
      call({ port }, signal, "127.0.0.9", async (evil) => {
        const { messages } = await openRawLink(evil);
        messages.resume();
        messages.write(Buffer.concat([hello(`evil${made++}`), endless]));
      }),
  ],
];

/** Starts all attacks on an SSH port at once. @returns a function that ends them. */
export function attack(port: number): () => Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  setMaxListeners(0, signal);
  const again = async (attempt: Attempt) => {
    while (!signal.aborted) {
      await attempt(port, signal).catch(() => undefined);
      await sleep(50);
    }
  };
  const all = attempts.flatMap(([concurrency, attempt]) =>
    Array.from({ length: concurrency }, () => again(attempt)),
  );
  return async () => {
    over.abort();
    await Promise.all(all);
  };
}

/** Starts a peer that has the secret and sends an invalid archive on each link, in turn. */
export async function startBadPeer(first: number): ReturnType<typeof startRawPeer> {
  let links = first;
  return startRawPeer(async (link) => {
    const origin = `bad${links}`;
    const archive = await archives[links++ % archives.length]!(origin);
    await publish(link, { [origin]: offerOf(origin) }, () => void link.scrapes.write(archive));
  });
}
