import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { crc32, gzipSync } from "node:zlib";
import ssh2 from "ssh2";
import { pack } from "tar-stream";
import { scrapeMemberName } from "../../src/archive/members.js";
import { encodePublication } from "../../src/archive/publication-json.js";
import { targetKeyOf } from "../../src/archive/target-key.js";
import type { Batch, Publication, PublishedTarget, TargetsDocument } from "../../src/model/publication.js";
import { sshAlgorithms } from "../../src/replication/ssh/connection.js";
import { encodeFrame, readFrames } from "../../src/replication/wire/frames.js";
import { type Message, type MessageOf, parseMessage } from "../../src/replication/wire/messages.js";
import { startTcpTarget } from "../support/target-server.js";
import { type HasPort, keysFor } from "./proxies.js";
import type { RawProtocol } from "./ssh/evil-client.js";

export const messagesCommand = "replicate-2";
export const scrapesCommand = "replicate-2-scrapes";

/** Both channels of a link to a proxy under test. */
export interface RawLink {
  readonly messages: Duplex;
  readonly scrapes: Duplex;
}

/** A peer that holds the secret and does with a link whatever a test wants. */
export interface RawPeer extends HasPort {
  /** How many links were opened. */
  readonly links: () => number;
  /** Resets all connections. */
  readonly cut: () => void;
  /** Stops reading. */
  readonly deaf: () => void;
}

/** Starts an SSH server with the shared keys that leaves every link to a test. */
export async function startRawPeer(
  talk: (link: RawLink, protocol: RawProtocol) => void | Promise<void>,
): Promise<RawPeer> {
  const keys = await keysFor();
  let links = 0;
  const server = new ssh2.Server(
    { hostKeys: [keys.host.privateKey], algorithms: sshAlgorithms },
    (client) => {
      const channels: Partial<Record<string, Duplex>> = {};
      client.on("error", () => undefined);
      client.on("authentication", (context) => context.accept());
      client.on("session", (accept) => {
        accept().on("exec", (acceptExec, _reject, { command }) => {
          const channel = acceptExec();
          channel.on("error", () => undefined);
          channels[command] = channel;
          const { [messagesCommand]: messages, [scrapesCommand]: scrapes } = channels;
          if (messages === undefined || scrapes === undefined) return;
          links++;
          const protocol = (client as unknown as { _protocol: RawProtocol })._protocol;
          Promise.resolve(talk({ messages, scrapes }, protocol)).catch(() => undefined);
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
    port,
    links: () => links,
    deaf: () => {
      for (const socket of sockets) socket.pause();
    },
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}

/** Opens both channels of a link as the end that dials. */
export async function openRawLink(client: { exec(command: string): Promise<Duplex> }): Promise<RawLink> {
  const messages = await client.exec(messagesCommand);
  const scrapes = await client.exec(scrapesCommand);
  scrapes.resume();
  return { messages, scrapes };
}

/** The bytes of a message. */
export function message(content: Message, body: Buffer = Buffer.alloc(0)): Buffer {
  return frame(JSON.stringify(content), body);
}

export function frame(json: string | Buffer, body: Buffer = Buffer.alloc(0)): Buffer {
  return encodeFrame({ json: Buffer.from(json), body });
}

export function hello(origin = "evil", fields: Partial<MessageOf<"hello">> = {}): Buffer {
  return message({ kind: "hello", protocol: 2, origin, instance: origin, manager: true, ...fields });
}

/** The messages that arrive on a link, which stays open when the loop ends. */
export async function* messagesFrom({ messages }: RawLink): AsyncGenerator<Message> {
  const chunks = messages.iterator({ destroyOnReturn: false });
  for await (const { json } of readFrames(chunks, () => undefined)) yield parseMessage(json);
}

/**
 * Introduces itself, announces origins, and sends their publications once the other end follows them.
 *
 * @param published bytes to send, by origin.
 * @param deliver is called when scrapes are requested.
 */
export async function publish(
  link: RawLink,
  published: Readonly<Record<string, Buffer>>,
  deliver: () => void | Promise<void> = () => undefined,
): Promise<void> {
  const origins = Object.keys(published).map((origin): [string, number, number] => [origin, 2_000_000, 0]);
  link.messages.write(Buffer.concat([hello(), message({ kind: "have", origins })]));
  for await (const arrived of messagesFrom(link)) {
    if (arrived.kind === "follow") link.messages.write(published[arrived.origin] ?? Buffer.alloc(0));
    if (arrived.kind === "fetch") await deliver();
  }
}

/** A publication as a message. */
export function publicationMessage(publication: Publication): Buffer {
  const { origin, number } = publication;
  return message({ kind: "publication", origin, number, age: 0 }, encodePublication(publication).bytes);
}

/** Numbers that a test publishes under another name: below those of the real clock. */
const firstNumber = 1_000_000;
const scrapeNumber = firstNumber + 1;

export const goodGzip = gzipSync("x 1\n");

/** A scrape that a test publishes, and may spoil. */
export interface RawScrape {
  readonly gzip?: Buffer;
  readonly size?: number;
  readonly samples?: number;
  readonly contentType?: string;
  readonly number?: number;
  readonly replica?: string;
  readonly names?: readonly string[];
}

export function rawTarget({ replica = "1", names = ["web", "shop_web"] }: RawScrape): PublishedTarget {
  return {
    id: `docker:${replica}`,
    title: "web",
    names,
    job: "shop_web",
    replica,
    scope: "replicated",
    labels: {},
    startedAt: 1,
    state: "up",
    since: 1,
    url: "http://10.0.0.1/metrics",
  };
}

/** The document and the batch with which an origin publishes scrapes: one by one, for tests that spoil them. */
export function publicationsOf(
  origin: string,
  scrapes: readonly RawScrape[] = [{}],
): [TargetsDocument, Batch] {
  const header = { origin, instance: `${origin}-process`, time: Date.now() };
  const attempts = scrapes.map((scrape, index) => ({
    target: targetKeyOf(rawTarget(scrape).id),
    ago: 0,
    duration: 0.1,
    outcome: {
      number: scrape.number ?? scrapeNumber + index,
      contentType: scrape.contentType ?? "text/plain; version=0.0.4; charset=utf-8",
      size: scrape.size ?? 4,
      samples: scrape.samples ?? 1,
    },
  }));
  return [
    { kind: "targets", ...header, number: firstNumber, targets: scrapes.map(rawTarget) },
    {
      kind: "batch",
      ...header,
      number: scrapeNumber + scrapes.length,
      attempts: attempts.sort((a, b) => a.target - b.target),
    },
  ];
}

/** The publications of one origin as messages. */
export function offerOf(origin: string, scrapes: readonly RawScrape[] = [{}]): Buffer {
  return Buffer.concat(publicationsOf(origin, scrapes).map(publicationMessage));
}

/** The header of a tar member of a scrape as this project writes it, to be changed by a test. */
export function memberHeader(origin: string, { gzip = goodGzip, number = scrapeNumber }: RawScrape = {}) {
  const name = scrapeMemberName({ origin, job: "shop_web", replica: "1", number }, crc32(gzip));
  return { name, mode: 0o600, mtime: new Date(0) };
}

/** Members of a tar archive, without its end. */
export async function tarOf(
  files: readonly { readonly header: Record<string, unknown>; readonly content?: Buffer }[],
): Promise<Buffer> {
  const archive = pack();
  for (const { header, content } of files) archive.entry(header as { name: string }, content ?? "");
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).subarray(0, -1024);
}

/** The tar member of a scrape. */
export function memberOf(origin: string, scrape: RawScrape = {}): Promise<Buffer> {
  return tarOf([{ header: memberHeader(origin, scrape), content: scrape.gzip ?? goodGzip }]);
}

/** A member whose header states another size: 12 bytes of the header. */
export async function memberOfSize(origin: string, field: string): Promise<Buffer> {
  const bytes = await memberOf(origin);
  bytes.write(field, 124, 12, "latin1");
  bytes.fill(" ", 148, 156);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8, "latin1");
  return bytes;
}

/** Octal for ten gigabytes. */
export const tenGigabytes = `${(10 * 2 ** 30).toString(8)} `;
