import { once, setMaxListeners } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import ssh2 from "ssh2";
import { archive, archiveOfSize, tenGigabytes } from "./bad-archives.js";
import { frame, goodGzip, goodMetadata, message, startRawPeer, tarOf } from "./raw-peer.js";
import { type EvilClient, startEvilClient } from "./ssh/evil-client.js";
import { logIn } from "./ssh/unauthenticated-client.js";

const mebibyte = 1024 * 1024;

/** One attempt at a proxy's SSH port; what comes of it is no matter. */
type Attempt = (port: number, signal: AbortSignal) => Promise<unknown>;

/** Archives that are none, or not what they say. */
const archives: (() => Promise<Buffer>)[] = [
  () => archive({ name: "../../etc/passwd" }),
  () => archive({ name: "/etc/passwd" }),
  () => tarOf([{ header: { name: "entries.gz", type: "symlink", linkname: "/etc/passwd" } }]),
  () => tarOf([{ header: { name: "entries.gz", type: "link", linkname: "/etc/passwd" } }]),
  () => archiveOfSize(tenGigabytes),
  async () => (await archive()).subarray(0, 1600),
  async () => Buffer.alloc(mebibyte, 7),
  () => {
    const bomb = gzipSync(Buffer.alloc(64 * mebibyte));
    return archive({}, [goodMetadata(bomb, { size: 1000 })], bomb);
  },
  () => archive({}, [goodMetadata(goodGzip, { names: [".."] })]),
];

/** All but the end of an archive as large as one may be where SCRAPE_MAX_BYTES is 1 MiB, and how many of them come. */
const endless = frame("t", Buffer.alloc(5 * mebibyte)).subarray(0, -1);
const endlessArchives = 100;

/** Bytes that those who attack would have a node hold in memory, if it let them. */
export const heldByAttack = endlessArchives * endless.length;

let made = 0;

/** What a peer says that calls: it has news of an origin that nobody knows, and these follow. */
function newsOf(entries: number): Buffer {
  const origin = `evil${made++}`;
  return Buffer.concat([
    message({ kind: "hello", protocol: 1, instance: origin, origin }),
    message({ kind: "plan", light: [], offer: [origin], want: [] }),
    message({
      kind: "section",
      section: { origin, epoch: 5, sequence: entries, base: 0, heard: 0, entries },
    }),
  ]);
}

/** Calls a proxy, with the secret, and does what it wants until it is cut off. */
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

/** Says a little, or nothing, and waits until it is cut off. */
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

const strangersKey = ssh2.utils.generateKeyPairSync("ed25519").private;

/** Each of them goes on all the time, so many side by side. */
const attempts: readonly (readonly [sideBySide: number, attempt: Attempt])[] = [
  [
    2,
    (port) =>
      logIn(port, { privateKey: strangersKey, authHandler: ["publickey"], localAddress: "127.0.0.2" }),
  ],
  [2, (port) => logIn(port, { password: "wrong", authHandler: ["password"], localAddress: "127.0.0.3" })],
  [1, (port) => logIn(port, { hostVerifier: () => false, localAddress: "127.0.0.4" })],
  // A scan of ports.
  [
    2,
    async (port) => {
      const socket = await dialFrom("127.0.0.5", port);
      if (Math.random() < 0.5) socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      socket.destroy();
    },
  ],
  // Also from where the peers are.
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
      call({ port }, signal, "127.0.0.8", async ({ exec }) => {
        const stream = await exec("sync");
        stream.resume();
        const tar = await archives[made % archives.length]!();
        stream.write(Buffer.concat([newsOf(1), frame("t", tar)]));
      }),
  ],
  [
    1,
    (port, signal) =>
      call({ port }, signal, "127.0.0.8", async ({ exec }) => {
        const stream = await exec("sync");
        stream.resume();
        stream.write(newsOf(1_000_000));
      }),
  ],
  [
    endlessArchives,
    (port, signal) =>
      call({ port }, signal, "127.0.0.9", async ({ exec }) => {
        const stream = await exec("sync");
        stream.resume();
        stream.write(newsOf(1));
        stream.write(endless);
      }),
  ],
];

/** Begins all that is done to an SSH port at once; the function that comes back ends it. */
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
  const all = attempts.flatMap(([sideBySide, attempt]) =>
    Array.from({ length: sideBySide }, () => again(attempt)),
  );
  return async () => {
    over.abort();
    await Promise.all(all);
  };
}

/** A peer that holds the secret, and sends a bad archive whenever it is asked: a given one, then the next. */
export async function startBadPeer(first: number): ReturnType<typeof startRawPeer> {
  const tars = await Promise.all(archives.map((make) => make()));
  let asked = first;
  return startRawPeer((stream) => {
    const tar = tars[asked++ % tars.length]!;
    const origin = `bad${asked}`;
    stream.write(
      Buffer.concat([
        message({ kind: "hello", protocol: 1, instance: "bad", origin: "bad" }),
        message({ kind: "have", manager: true, have: [[origin, 5, 1, 1]] }),
        message({ kind: "answer", light: [], heavy: 1, want: [] }),
        message({
          kind: "section",
          section: { origin, epoch: 5, sequence: 1, base: 0, heard: 0, entries: 1 },
        }),
        frame("t", tar),
      ]),
    );
  });
}
