import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { maxPublicationBytes, maxTargets } from "../../src/archive/publication-json.js";
import { targetKeyOf } from "../../src/archive/target-key.js";
import type { Batch, TargetsDocument } from "../../src/model/publication.js";
import { maxOrigins } from "../../src/replication/wire/messages.js";
import {
  frame,
  goodGzip,
  memberOf,
  message,
  publicationMessage,
  rawTarget,
} from "../replication/raw-peer.js";

const mebibyte = 1024 * 1024;

/** What a hostile peer that has the secret publishes. */
export interface PeerKind {
  /** Its origins. */
  readonly origins: readonly string[];
  /** Milliseconds between two publications of each origin. */
  readonly every: number;
  /** The publications of an origin, as messages. @param number the first free number */
  publish(origin: string, number: number): Buffer;
  /** The scrape with a number, as it is sent. */
  member(origin: string, number: number): Promise<Buffer>;
  /** Bytes that are sent on each link again and again, every 200 ms. */
  readonly noise?: Buffer;
}

const times = <T>(count: number, item: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => item(index));

interface Published {
  readonly targets: number;
  readonly size: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A `targets` document, and a batch with one scrape per target. All targets have one name. */
function publicationsOf(origin: string, number: number, { targets, size, labels = {} }: Published): Buffer {
  const header = { origin, instance: `${origin}-process`, time: Date.now() };
  const published = times(targets, (index) => ({
    ...rawTarget({ replica: `${origin}-${index}`, names: ["flooded"] }),
    labels,
  }));
  const document: TargetsDocument = { kind: "targets", ...header, number, targets: published };
  const attempts = published.map(({ id }, index) => ({
    target: targetKeyOf(id),
    ago: 0,
    duration: 0.1,
    outcome: {
      number: number + 1 + index,
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      size,
      samples: 1,
    },
  }));
  const batch: Batch = {
    kind: "batch",
    ...header,
    number: number + 1 + targets,
    attempts: attempts.sort((a, b) => a.target - b.target),
  };
  return Buffer.concat([document, batch].map(publicationMessage));
}

const small = { targets: 1, size: 4 };
const incompressible = gzipSync(`x{a="${randomBytes(96 * 1024).toString("hex")}"} 1\n`);
const longLabel = { a: "x".repeat(60_000) };
/** How many targets with such a label fit into a document; each takes less than 1000 other bytes. */
const largest = Math.floor(maxPublicationBytes / 61_000);
const nested = Buffer.from(`{"kind":"have","origins":[],"x":[${"[0],".repeat(mebibyte - 20)}0]}`);

const silent: PeerKind = {
  origins: [],
  every: 60_000,
  publish: () => Buffer.alloc(0),
  member: () => Promise.reject(new Error("no scrapes")),
};

export const peerKinds: Readonly<Record<string, PeerKind>> = {
  /** Many origins. */
  origins: {
    origins: times(maxOrigins - 100, (index) => `evil-origin-${index}`),
    every: 30_000,
    publish: (origin, number) => publicationsOf(origin, number, small),
    member: (origin, number) => memberOf(origin, { number, gzip: goodGzip }),
  },
  /** Many targets of one name: 20,000. */
  targets: {
    origins: times(4, (index) => `evil-targets-${index}`),
    every: 10_000,
    publish: (origin, number) => publicationsOf(origin, number, { targets: maxTargets, size: 4 }),
    member: (origin, number) => memberOf(origin, { number, gzip: goodGzip }),
  },
  /** Documents of nearly the maximum size. */
  documents: {
    origins: ["evil-documents"],
    every: 2000,
    publish: (origin, number) =>
      publicationsOf(origin, number, { targets: largest, size: 4, labels: longLabel }),
    member: (origin, number) => memberOf(origin, { number, gzip: goodGzip }),
  },
  /** Many large scrapes, which exceed the memory budget. */
  scrapes: {
    origins: ["evil-scrapes"],
    every: 10_000,
    publish: (origin, number) =>
      publicationsOf(origin, number, {
        targets: 2000,
        size: incompressible.readUInt32LE(incompressible.length - 4),
      }),
    member: (origin, number) => memberOf(origin, { number, gzip: incompressible }),
  },
  /** Valid messages that are expensive to process. */
  messages: {
    ...silent,
    noise: message({
      kind: "have",
      origins: times(maxOrigins, (index): [string, number, number] => [
        `${"o".repeat(190)}${index}`,
        index + 1,
        0,
      ]),
    }),
  },
  /** Invalid messages that are expensive to parse. */
  brackets: { ...silent, noise: frame(nested) },
};
