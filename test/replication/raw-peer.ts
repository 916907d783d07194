import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { gzipSync } from "node:zlib";
import ssh2 from "ssh2";
import { pack } from "tar-stream";
import { encodeFrames, type FrameKind } from "../../src/replication/frames.js";
import { encodeMessage, type Message } from "../../src/replication/messages.js";
import { sshAlgorithms } from "../../src/replication/ssh/connection.js";
import { startTcpTarget } from "../support/target-server.js";
import { keysFor } from "./proxies.js";
import type { RawProtocol } from "./ssh/evil-client.js";

/** A peer that holds the secret and does with a `sync` channel whatever a test wants. */
export interface RawPeer {
  readonly server: { readonly port: number };
  /** How many `sync` channels were opened. */
  readonly channels: () => number;
  /** Ends all connections as a reset does. */
  readonly cut: () => void;
  /** From now on it reads nothing. */
  readonly deaf: () => void;
}

/** Starts an SSH server with the shared keys that hands every `sync` channel to a test. */
export async function startRawPeer(talk: (stream: Duplex, protocol: RawProtocol) => void): Promise<RawPeer> {
  const keys = await keysFor();
  let channels = 0;
  const server = new ssh2.Server(
    { hostKeys: [keys.host.privateKey], algorithms: sshAlgorithms },
    (client) => {
      client.on("error", () => undefined);
      client.on("authentication", (context) => context.accept());
      client.on("session", (accept) => {
        accept().on("exec", (acceptExec) => {
          const stream = acceptExec();
          stream.on("error", () => undefined);
          channels++;
          talk(stream, (client as unknown as { _protocol: RawProtocol })._protocol);
        });
      });
    },
  );
  const sockets = new Set<Socket>();
  const inject = (socket: Socket) => {
    sockets.add(socket);
    (server as unknown as { injectSocket(socket: Socket): void }).injectSocket(socket);
  };
  const { port } = await startTcpTarget(inject, { noDelay: true });
  return {
    server: { port },
    channels: () => channels,
    deaf: () => {
      for (const socket of sockets) socket.pause();
    },
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}

/** The bytes of a control message. */
export function message(content: Message): Buffer {
  return encodeFrames([{ kind: "m", payload: encodeMessage(content) }]);
}

export function frame(kind: FrameKind, payload: Buffer): Buffer {
  return encodeFrames([{ kind, payload }]);
}

/** What a peer says that has news of an origin: the wanted section follows, with so many entries. */
export function offerOf(origin: string, entries: number, name = "evil"): Buffer {
  return Buffer.concat([
    message({ kind: "hello", protocol: 1, instance: "evil", origin: name }),
    message({ kind: "have", manager: true, have: [[origin, 5, entries, 1]] }),
    message({ kind: "answer", light: [], heavy: 1, want: [] }),
    message({
      kind: "section",
      section: { origin, epoch: 5, sequence: entries, base: 0, heard: 0, entries },
    }),
  ]);
}

/** Metadata of a good entry, to be spoilt. */
export function goodMetadata(gzip: Buffer, fields: Record<string, unknown> = {}) {
  const id = createHash("sha256").update(gzip).digest("hex");
  return {
    id: `docker:${id}`,
    names: ["web"],
    job: "shop_web",
    replica: "1",
    scope: "replicated",
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    size: 4,
    samples: 1,
    url: "http://10.0.0.1/metrics",
    scrapedAt: Date.now(),
    age: 0,
    duration: 0.1,
    startedAt: 1,
    sequence: 1,
    gzipBytes: gzip.length,
    ...fields,
  };
}

export const goodGzip = gzipSync("x 1\n");

/** A tar archive, as a test wants it. */
export async function tarOf(
  files: readonly { readonly header: Record<string, unknown>; readonly content?: Buffer }[],
): Promise<Buffer> {
  const archive = pack();
  for (const { header, content } of files) archive.entry(header as { name: string }, content ?? "");
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
