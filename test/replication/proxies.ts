import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { onTestFinished, vi } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { Publisher } from "../../src/cache/publisher.js";
import { type Logger, silentLogger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { Clock } from "../../src/model/clock.js";
import type { Scrape } from "../../src/model/scrape.js";
import type { Target } from "../../src/model/target.js";
import type { KnownPeer, PeerList } from "../../src/replication/peers/peer-source.js";
import { type Replication, startReplication } from "../../src/replication/replication.js";
import { createTelemetry } from "../../src/telemetry.js";
import { keysFor, testSecret } from "./ssh/test-server.js";

export { keysFor, testSecret };

const loadedAt = { now: Date.now(), monotonic: performance.now() };
const fastFactor = 5;

/** A clock that runs five times as fast as the real one: the same for all proxies of a test file. */
export const fastClock: Clock = {
  now: () => Math.floor(loadedAt.now + fastFactor * (performance.now() - loadedAt.monotonic)),
  monotonic: () => fastFactor * performance.now(),
};

/** Long enough for a busy machine. */
export const soon = { timeout: 20_000, interval: 20 };

/** Something with an SSH port on loopback: a proxy, a wire to one, or a hostile peer. */
export interface HasPort {
  readonly port: number;
}

/** A proxy without discovery and HTTP: a cache, a publisher and replication on loopback. */
export interface TestProxy extends HasPort {
  readonly origin: string;
  readonly instance: string;
  readonly cache: Cache;
  readonly publisher: Publisher;
  readonly budget: MemoryBudget;
  readonly replication: Replication;
  /** The reasons that were counted, in order. */
  readonly failures: string[];
  readonly refusals: string[];
  /** Scrapes that were received and sent. */
  readonly scrapes: { readonly in: number; readonly out: number };
  /** Replaces its list of peers, and dials them. */
  connectTo(...peers: HasPort[]): Promise<void>;
  /** Whether it is a Swarm manager; true at first. */
  setManager(manager: boolean): void;
  /** Records a successful scrape. @returns its number */
  put(id: string, text: string, fields?: PutFields): number;
  /** Records a failed scrape. */
  fail(id: string, reason: string): void;
  /** The target has ended. */
  end(id: string): void;
  stop(): Promise<void>;
}

export type PutFields = Partial<Pick<Target, "names" | "job" | "replica" | "scope" | "startedAt">> & {
  readonly gzip?: Buffer;
};

export interface TestProxyOptions {
  readonly port?: number;
  readonly secret?: string;
  readonly instance?: string;
  readonly clock?: Clock;
  /** Milliseconds; 50 unless given. */
  readonly tickMs?: number;
  readonly staleAfter?: number;
  readonly history?: number;
  readonly interval?: number;
  readonly replicateTo?: "all" | "managers";
  readonly manager?: boolean;
  /** Its Swarm task: peers with a lower id dial it. */
  readonly task?: string;
  readonly memoryBytes?: number;
  readonly maxScrapeBytes?: number;
  readonly logger?: Logger;
  /** Lists the peers; by default those of `connectTo`. */
  readonly list?: (peers: PeerList) => Promise<PeerList>;
}

const mebibyte = 1024 * 1024;
const contentType = "text/plain; version=0.0.4; charset=utf-8";

/** Starts a proxy. It stops when the test ends. */
export async function startProxy(origin: string, options: TestProxyOptions = {}): Promise<TestProxy> {
  const {
    secret = testSecret,
    instance = randomUUID(),
    clock = fastClock,
    staleAfter = 300,
    history = 3600,
    logger = silentLogger,
    task,
  } = options;
  const budget = new MemoryBudget(options.memoryBytes ?? 256 * mebibyte);
  const cache = new Cache({ clock, staleAfter, history, budget, logger });
  budget.addEvictor((bytesNeeded, origin) => cache.evict(bytesNeeded, origin));
  const publisher = new Publisher({
    cache,
    clock,
    budget,
    logger,
    origin: () => origin,
    instance,
    travels: ({ scope }) => scope === "replicated",
    history,
  });
  publisher.listed("docker", []);
  let manager = options.manager ?? true;
  let peers: PeerList = { peers: [] };
  const telemetry = createTelemetry("0");
  const counted = ["replicationFailures", "sshRefused", "replicatedEntries"] as const;
  const [failures, refusals, scrapes] = counted.map((name) => vi.spyOn(telemetry[name], "inc"));
  const replication = await startReplication({
    listen: { host: "127.0.0.1", port: options.port ?? 0 },
    secret,
    keys: await keysFor(secret),
    source: {
      ...(task === undefined ? {} : { task }),
      list: () => options.list?.(peers) ?? Promise.resolve(peers),
    },
    telemetry,
    cache,
    publisher,
    budget,
    clock,
    logger,
    instance,
    origin,
    manager: () => manager,
    replicateTo: options.replicateTo ?? "all",
    history,
    interval: options.interval ?? 10,
    maxScrapeBytes: options.maxScrapeBytes ?? 8 * mebibyte,
    connectMs: 3000,
    tickMs: options.tickMs ?? 50,
  });
  const targetOf = (id: string, fields: PutFields = {}): Target => ({
    id: `docker:${id}`,
    provider: "docker",
    title: id,
    labels: {},
    fetch: { kind: "none", state: "disabled", reason: "test" },
    expected: true,
    problems: [],
    names: fields.names ?? ["web", "shop_web"],
    job: fields.job ?? "shop_web",
    replica: fields.replica ?? id,
    scope: fields.scope ?? "replicated",
    stack: "shop",
    startedAt: fields.startedAt ?? 0,
  });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    publisher.stop();
    stopped ??= replication.stop();
    return stopped;
  };
  onTestFinished(stop);
  return {
    origin,
    instance,
    port: replication.port,
    cache,
    publisher,
    budget,
    replication,
    get failures() {
      return labelsOf(failures!, "reason");
    },
    get refusals() {
      return labelsOf(refusals!, "reason");
    },
    get scrapes() {
      const directions = labelsOf(scrapes!, "direction");
      const count = (wanted: string) => directions.filter((direction) => direction === wanted).length;
      return { in: count("in"), out: count("out") };
    },
    async connectTo(...others) {
      peers = { peers: others.map(({ port }) => knownPeer(port)) };
      await replication.refresh();
    },
    setManager(isManager) {
      manager = isManager;
    },
    put(id, text, fields = {}) {
      const target = targetOf(id, fields);
      const gzip = fields.gzip ?? gzipSync(text);
      const size = fields.gzip === undefined ? Buffer.byteLength(text) : gzip.readUInt32LE(gzip.length - 4);
      publisher.attempted(
        { target, state: "up", url: "http://10.0.0.1/metrics", failures: 0 },
        { begun: clock.monotonic(), duration: 0.01, outcome: { gzip, contentType, size, samples: 1 } },
      );
      return publisher.lastScrape(target.id)?.number ?? 0;
    },
    fail(id, reason) {
      publisher.attempted(
        { target: targetOf(id), state: "down", reason, failures: 1 },
        { begun: clock.monotonic(), duration: 0.01, outcome: { reason } },
      );
    },
    end(id) {
      publisher.ended(`docker:${id}`);
    },
    stop,
  };
}

/** The values of a label, one for each time that a counter was increased by one. */
function labelsOf(spy: { readonly mock: { readonly calls: unknown[][] } }, label: string): string[] {
  return spy.mock.calls.flatMap(([labels, count = 1]) =>
    Array<string>(count as number).fill((labels as Record<string, string>)[label] ?? ""),
  );
}

/** A peer on loopback as a source lists it. */
export function knownPeer(port: number, key = String(port)): KnownPeer {
  return { key, title: `127.0.0.1:${port}`, addresses: [{ host: "127.0.0.1", port }] };
}

/** Text by replica, of all that a proxy would serve under a name. */
export function served({ cache }: Pick<TestProxy, "cache">, name = "web"): Record<string, string> {
  return Object.fromEntries(cache.named(name).map((scrape) => [scrape.replica, textOf(scrape)]));
}

function textOf({ gzip }: Scrape): string {
  return gunzipSync(gzip).toString();
}

/** The numbers of the scrapes that a proxy holds of an origin, in order. */
export function numbersOf({ cache }: Pick<TestProxy, "cache">, origin: string): number[] {
  return (cache.feed(origin)?.scrapes.numbers ?? []).toSorted((a, b) => a - b);
}

/** How many connections to a port of loopback are established. */
export function connectionsTo({ port }: HasPort): number {
  const established = "01";
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${hex}`) && state === established).length;
}

/** Whether all proxies hold the same publications and scrapes of all origins. */
export function holdTheSame(proxies: readonly TestProxy[]): boolean {
  return new Set(proxies.map(contentOf)).size === 1;
}

/** Everything replicated that a proxy holds: numbers of publications and scrapes by origin. */
export function contentOf({ cache }: Pick<TestProxy, "cache">): string {
  const published = [...cache.feeds()].filter((feed) => feed.held > 0);
  const feeds = published.map((feed) => [
    feed.origin,
    feed.publicationsAbove(0).map(({ publication, bytes }) => [publication.number, bytes.toString("base64")]),
    feed.scrapes.numbers.toSorted((a, b) => a - b),
  ]);
  return JSON.stringify(feeds.sort(([a], [b]) => String(a).localeCompare(String(b))));
}
