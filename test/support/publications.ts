import { crc32, gzipSync } from "node:zlib";
import fc from "fast-check";
import { encodePublication } from "../../src/archive/publication-json.js";
import { targetKeyOf } from "../../src/archive/target-key.js";
import type { HeldPublication } from "../../src/cache/held-publication.js";
import type { Logger } from "../../src/logging.js";
import type { Clock } from "../../src/model/clock.js";
import type {
  Attempt,
  Batch,
  Publication,
  PublishedTarget,
  SwarmDocument,
  TargetsDocument,
} from "../../src/model/publication.js";
import type { Target } from "../../src/model/target.js";
import { targetStates } from "../../src/model/target-status.js";

export const textType = "text/plain; version=0.0.4; charset=utf-8";

/** Clocks that tests advance, in milliseconds. Both return whole milliseconds. */
export interface ManualClock extends Clock {
  advance(milliseconds: number): void;
  /** Changes the wall clock only. */
  setBack(milliseconds: number): void;
}

export function clockAt(now = Date.UTC(2026, 0, 1)): ManualClock {
  let monotonic = 50_000_000;
  let wall = now;
  return {
    now: () => wall,
    monotonic: () => monotonic,
    advance(milliseconds) {
      monotonic += milliseconds;
      wall += milliseconds;
    },
    setBack(milliseconds) {
      wall -= milliseconds;
    },
  };
}

export interface LogLine {
  readonly level: "error" | "warn" | "info" | "debug";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A logger that keeps its lines. */
export function keepingLogger(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: LogLine["level"]) =>
    (message: string, fields: object = {}) =>
      void lines.push({ level, message, fields: { ...fields } });
  return { lines, error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug") };
}

/** A gzip stream that differs for each text. */
export function gzipOf(text: string): Buffer {
  return gzipSync(text);
}

export function publishedTarget(fields: Partial<PublishedTarget> = {}): PublishedTarget {
  return {
    id: "docker:1",
    title: "web.1",
    names: ["web", "shop_web"],
    job: "shop_web",
    replica: "1",
    scope: "replicated",
    stack: "shop",
    labels: {},
    startedAt: 0,
    state: "up",
    since: 0,
    url: "http://10.0.0.1:8080/metrics",
    ...fields,
  };
}

/** A target as a provider finds it. */
export function foundTarget(fields: Partial<Target> = {}): Target {
  return {
    id: "docker:1",
    provider: "docker",
    title: "web.1",
    names: ["web", "shop_web"],
    job: "shop_web",
    replica: "1",
    scope: "replicated",
    labels: {},
    fetch: { kind: "http", urls: ["http://10.0.0.1:8080/metrics"] },
    expected: true,
    startedAt: 0,
    problems: [],
    ...fields,
  };
}

/** A successful attempt. */
export function success(id: string, number: number, fields: Partial<Attempt> = {}): Attempt {
  return {
    target: targetKeyOf(id),
    ago: 0,
    duration: 0.01,
    outcome: { number, contentType: textType, size: 5, samples: 1 },
    ...fields,
  };
}

export function failure(id: string, reason = "connection refused", fields: Partial<Attempt> = {}): Attempt {
  return { target: targetKeyOf(id), ago: 0, duration: 0.01, outcome: { reason }, ...fields };
}

const header = { origin: "node1", instance: "i1", time: Date.UTC(2026, 0, 1) };

export function batch(number: number, attempts: readonly Attempt[], fields: Partial<Batch> = {}): Batch {
  return { kind: "batch", ...header, number, attempts, ...fields };
}

export function targetsDocument(
  number: number,
  targets: readonly PublishedTarget[],
  fields: Partial<TargetsDocument> = {},
): TargetsDocument {
  return { kind: "targets", ...header, number, targets, ...fields };
}

export function swarmDocument(number: number, fields: Partial<SwarmDocument> = {}): SwarmDocument {
  return { kind: "swarm", ...header, number, services: [], tasks: [], ...fields };
}

/** A publication as a node holds it. @param at on the monotonic clock. */
export function held<T extends Publication>(publication: T, at: number): HeldPublication<T> {
  return { publication, ...encodePublication(publication), at };
}

/* Arbitraries. */

const plain = (maxLength: number) => fc.string({ maxLength, unit: "binary" }).filter(isPlain);
function isPlain(text: string): boolean {
  return /^[^\p{Cc}\p{Cs}]*$/u.test(text);
}
/** One segment of a path, slashes and other scripts included. */
export const anySegment = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 200, unit: "binary" }),
    fc.constantFrom("a/b", "…", "..a", "ö".repeat(200), "/", "x".repeat(200), " ", "a\\b", "...", "/../"),
  )
  .filter(
    (text) =>
      !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text) &&
      text.length <= 200 &&
      ![".", "..", "-", ""].includes(text),
  );
export const anyOrigin = anySegment.filter((text) => !text.includes("/"));
export const anyNumber = fc.oneof(
  fc.integer({ min: 1, max: 100 }),
  fc.integer({ min: 1, max: 2 ** 52 - 1 }),
  fc.constant(2 ** 52 - 1),
);
const anyTime = fc.oneof(fc.integer({ min: 0, max: 8.64e15 }), fc.constant(8.64e15));
const anyReason = plain(200);

export const anyAttempt: fc.Arbitrary<Attempt> = fc.record({
  target: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
  ago: fc.oneof(fc.nat(100_000), fc.integer({ min: 0, max: 32e12 })),
  duration: fc.nat(120_000).map((milliseconds) => milliseconds / 1000),
  outcome: fc.oneof(
    fc.record({ reason: anyReason }),
    fc.record({
      number: anyNumber,
      contentType: fc.constantFrom(textType, "application/openmetrics-text; version=1.0.0", "text/plain"),
      size: fc.oneof(fc.nat(), fc.maxSafeNat()),
      samples: fc.nat(),
    }),
  ),
});
const anyHeader = {
  origin: anyOrigin,
  number: anyNumber,
  instance: fc.stringMatching(/^[\x21-\x7e]{1,64}$/),
  time: anyTime,
};
const anyLabels = fc.dictionary(fc.string({ maxLength: 20 }), fc.string({ maxLength: 50 }), { maxKeys: 5 });
export const anyTarget: fc.Arbitrary<PublishedTarget> = fc.record(
  {
    id: plain(100).filter((id) => id !== ""),
    title: plain(100),
    image: plain(100),
    names: fc.array(anySegment, { minLength: 1, maxLength: 8 }),
    job: anySegment,
    replica: anySegment,
    scope: fc.constantFrom("replicated" as const, "global" as const, "local" as const),
    stack: plain(100),
    labels: anyLabels,
    startedAt: anyTime,
    firstSeen: anyTime,
    state: fc.constantFrom(...targetStates, "gone" as const),
    reason: plain(100),
    since: anyTime,
    url: plain(100),
  },
  {
    requiredKeys: [
      "id",
      "title",
      "names",
      "job",
      "replica",
      "scope",
      "labels",
      "startedAt",
      "state",
      "since",
    ],
  },
);
export const anyBatch: fc.Arbitrary<Batch> = fc.record(
  {
    kind: fc.constant("batch" as const),
    ...anyHeader,
    local: fc.boolean(),
    attempts: fc.array(anyAttempt, { maxLength: 30 }),
  },
  { requiredKeys: ["kind", "origin", "number", "instance", "time", "attempts"] },
);
export const anyTargetsDocument: fc.Arbitrary<TargetsDocument> = fc.record(
  {
    kind: fc.constant("targets" as const),
    ...anyHeader,
    advertise: plain(300),
    targets: fc.array(anyTarget, { maxLength: 5 }),
  },
  { requiredKeys: ["kind", "origin", "number", "instance", "time", "targets"] },
);
export const anySwarmDocument: fc.Arbitrary<SwarmDocument> = fc.record({
  kind: fc.constant("swarm" as const),
  ...anyHeader,
  services: fc.array(
    fc.record(
      { id: plain(100), name: plain(300), labels: anyLabels, replicas: fc.nat() },
      { requiredKeys: ["id", "name", "labels"] },
    ),
    { maxLength: 5 },
  ),
  tasks: fc.array(
    fc.record({
      id: plain(100).filter((id) => id !== ""),
      node: plain(100),
      addresses: fc.array(plain(100), { maxLength: 20 }),
    }),
    { maxLength: 5 },
  ),
});
export const anyPublication: fc.Arbitrary<Publication> = fc.oneof(
  anyBatch,
  anyTargetsDocument,
  anySwarmDocument,
);

/** A valid ustar header block, with fields replaced before its checksum is written. */
export function tarHeader(name: string, size: number, fields: Readonly<Record<number, string>> = {}): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, "latin1");
  block.write("0000600\0", 100, "latin1");
  block.write("0000000\0", 108, "latin1");
  block.write("0000000\0", 116, "latin1");
  block.write(`${size.toString(8).padStart(11, "0")} `, 124, "latin1");
  block.write("00000000000 ", 136, "latin1");
  block.write("0", 156, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  for (const [at, text] of Object.entries(fields)) block.write(text, Number(at), "latin1");
  return withChecksum(block);
}

/** The same block with a correct checksum. */
export function withChecksum(block: Buffer): Buffer {
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

export { crc32 };
