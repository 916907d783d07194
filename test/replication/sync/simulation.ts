import { gunzipSync, gzipSync } from "node:zlib";
import { vi } from "vitest";
import type { StreamedMember } from "../../../src/archive/tar-reader.js";
import { Cache } from "../../../src/cache/cache.js";
import { type HeldPublication, memoryOf } from "../../../src/cache/held-publication.js";
import { Publisher } from "../../../src/cache/publisher.js";
import type { Logger } from "../../../src/logging.js";
import { MemoryBudget } from "../../../src/memory-budget.js";
import type { Clock } from "../../../src/model/clock.js";
import { scrapesNamedBy, succeeded } from "../../../src/model/publication.js";
import type { TargetStatus } from "../../../src/model/target-status.js";
import type { PeerError } from "../../../src/replication/peer-error.js";
import { defaultTimeouts, type SyncContext } from "../../../src/replication/sync/context.js";
import { Link } from "../../../src/replication/sync/link.js";
import { Links } from "../../../src/replication/sync/links.js";
import { ArrivingMemory } from "../../../src/replication/wire/arriving-memory.js";
import type { Envelope, LinkChannels } from "../../../src/replication/wire/channel.js";
import { Scheduler } from "../../../src/scheduler.js";
import { MemoryConnection, type SentItem } from "./memory-channels.js";

/** Seconds. */
export const history = 120;
export const staleAfter = 60;
export const interval = 10;
export const stepMs = 500;

/** A publication as a node keeps it on disk, with the bytes of its scrapes. */
interface DiskRecord {
  readonly held: HeldPublication;
  /** By the node's wall clock. */
  readonly mtime: number;
  /** When it was really published, on the shared clock. */
  readonly at: number;
  readonly scrapes: ReadonlyMap<number, Buffer>;
}

interface SimTarget {
  readonly id: string;
  readonly scope: "replicated" | "local";
  version: number;
  failing: boolean;
}

/** A running process of a node. */
export interface Process {
  readonly instance: string;
  readonly cache: Cache;
  readonly publisher: Publisher;
  readonly budget: MemoryBudget;
  readonly links: Links;
  readonly errors: string[];
  readonly startedAt: number;
  /** Publications that were on disk when it started. */
  readonly loaded: ReadonlySet<number>;
  scrapesIn: number;
}

export interface NodeOptions {
  /** Differs from the key of the node for twins. */
  readonly name?: string;
  readonly manager?: boolean;
  readonly replicateTo?: "all" | "managers";
  readonly instances?: readonly string[];
}

export class SimNode {
  readonly name: string;
  /** Wall clock minus shared clock, in milliseconds. */
  wallOffset = 1_700_000_000_000;
  readonly targets = new Map<string, SimTarget>();
  disk: DiskRecord[] = [];
  process: Process | undefined;
  manager: boolean;
  scanning = true;
  services = 0;
  #nextCycle = 0;
  #instances = 0;

  constructor(
    readonly simulation: Simulation,
    readonly key: string,
    readonly options: NodeOptions,
  ) {
    this.name = options.name ?? key;
    this.manager = options.manager ?? true;
  }

  get clock(): Clock {
    return {
      now: () => this.simulation.now + this.wallOffset,
      monotonic: () => this.simulation.now,
    };
  }

  get running(): Process {
    if (this.process === undefined) throw new Error(`${this.key} is not running`);
    return this.process;
  }

  start(): void {
    const { simulation, clock, name } = this;
    const budget = new MemoryBudget(64 * 1024 * 1024);
    const errors: string[] = [];
    const report = (message: string, fields?: object) =>
      void errors.push(`${message} ${JSON.stringify(fields ?? {})}`);
    const logger: Logger = { error: report, warn: report, info: () => undefined, debug: () => undefined };
    const cache = new Cache({ clock, staleAfter, history, budget, logger });
    budget.addEvictor((bytes, origin) => cache.evict(bytes, origin));
    const instance = this.options.instances?.[this.#instances] ?? `${simulation.random()}`.slice(2);
    this.#instances++;
    const publisher = new Publisher({
      cache,
      clock,
      budget,
      logger,
      origin: () => name,
      instance,
      travels: ({ scope }) => scope === "replicated",
      history,
    });
    this.#load(cache, budget);
    const loaded = new Set(
      cache
        .feed(name)
        ?.publications()
        .map(({ publication }) => publication.number),
    );
    cache.addListener({ onComplete: (held) => this.#log(cache, held) });
    const context: SyncContext = {
      cache,
      publisher,
      budget,
      clock,
      logger,
      instance,
      origin: name,
      manager: () => this.manager,
      replicateTo: this.options.replicateTo ?? "all",
      history,
      interval,
      timeouts: defaultTimeouts,
      maxScrapeBytes: 1024 * 1024,
      onScrapes: (direction, count) => {
        if (direction === "in" && this.process !== undefined) this.process.scrapesIn += count;
      },
      scheduler: new Scheduler(),
      arriving: new ArrivingMemory(16 * 1024 * 1024, clock),
      onSkipped: (reason) => simulation.failures.push(`${this.key} skipped an item: ${reason}`),
    };
    const links = new Links(context);
    this.process = {
      instance,
      cache,
      publisher,
      budget,
      links,
      errors,
      startedAt: simulation.now,
      loaded,
      scrapesIn: 0,
    };
    this.#nextCycle = simulation.now;
  }

  /** Ends the process at once, like `kill -9`. */
  kill(): void {
    for (const connection of this.simulation.connections)
      if (connection.nodes.includes(this)) connection.close();
    this.process = undefined;
  }

  target(id: string, scope: "replicated" | "local" = "replicated"): SimTarget {
    const key = `test:${id}`;
    const target = this.targets.get(key) ?? { id: key, scope, version: 0, failing: false };
    this.targets.set(key, target);
    return target;
  }

  change(id: string): void {
    this.target(id).version++;
  }

  /** Scrapes one target. */
  attempt(id: string): void {
    const target = this.targets.get(`test:${id}`);
    if (target === undefined) return;
    const begun = this.simulation.now;
    const outcome = target.failing
      ? { reason: "connection refused" }
      : scraped(this.simulation.content(this, target));
    this.running.publisher.attempted(this.#status(target), { begun, duration: 0.01, outcome });
  }

  /** Lists and scrapes all targets. */
  cycle(): void {
    const { publisher } = this.running;
    publisher.listed(
      "test",
      [...this.targets.values()].map((target) => this.#status(target)),
    );
    for (const id of this.targets.keys()) this.attempt(id.slice("test:".length));
    if (this.manager && this.services > 0) {
      const services = [{ id: `s${this.services}`, name: "web", labels: {} }];
      publisher.swarm({ services, tasks: [] });
    }
    publisher.endCycle();
  }

  end(id: string): void {
    this.targets.delete(`test:${id}`);
    this.process?.publisher.ended(`test:${id}`);
  }

  tick(): void {
    if (this.process === undefined) return;
    if (this.scanning && this.simulation.now >= this.#nextCycle) {
      this.#nextCycle = this.simulation.now + interval * 1000;
      this.cycle();
    }
    this.process.links.tick();
  }

  #status({ id, scope, failing }: SimTarget): TargetStatus {
    const job = `${id.slice("test:".length)}-${this.key}`;
    return {
      target: {
        id,
        provider: "test",
        title: id,
        names: [job],
        job,
        replica: "1",
        scope,
        labels: {},
        fetch: { kind: "http", urls: ["http://127.0.0.1/"] },
        expected: true,
        startedAt: 0,
        problems: [],
      },
      state: failing ? "down" : "up",
      failures: 0,
    };
  }

  #log(cache: Cache, held: HeldPublication): void {
    if (this.process?.cache !== cache) return;
    const { publication, at } = held;
    const scrapes = new Map<number, Buffer>();
    if (publication.kind === "batch") {
      for (const number of scrapesNamedBy(publication)) {
        const gzip = cache.feed(publication.origin)?.scrapes.gzipOf(number);
        if (gzip !== undefined) scrapes.set(number, gzip);
      }
    }
    const { now } = this.simulation;
    this.disk.push({ held, mtime: this.clock.now() - (now - at), at, scrapes });
    this.disk = this.disk.filter((record) => record.at > now - 3 * history * 1000 || !isBatch(record));
  }

  /** As the disk log does it: ages by this node's wall clock. */
  #load(cache: Cache, budget: MemoryBudget): void {
    const { clock, simulation } = this;
    const bytes = new Map<string, Buffer>();
    for (const { held, scrapes } of this.disk)
      for (const [number, gzip] of scrapes) bytes.set(`${held.publication.origin} ${number}`, gzip);
    const records = this.disk.toSorted((a, b) => a.held.publication.number - b.held.publication.number);
    for (const { held, mtime, at: really } of records) {
      const { origin, number } = held.publication;
      const at = clock.monotonic() - Math.max(0, clock.now() - mtime);
      if (Math.abs(at - really) > 1) simulation.distorted.add(`${origin} ${number}`);
      for (const missing of cache.add({ ...held, at })) {
        const gzip = bytes.get(`${origin} ${missing}`);
        if (gzip !== undefined && budget.take(gzip.length)) cache.addScrape(origin, missing, gzip);
        else cache.feed(origin)?.giveUp(missing);
      }
    }
  }
}

function isBatch({ held }: DiskRecord): boolean {
  return held.publication.kind === "batch";
}

function scraped(text: string) {
  return {
    gzip: gzipSync(text),
    contentType: "text/plain; version=0.0.4",
    size: Buffer.byteLength(text),
    samples: 1,
  };
}

export interface Connection {
  readonly memory: MemoryConnection;
  readonly nodes: readonly [SimNode, SimNode];
  readonly links: readonly [Link, Link];
  stalled: boolean;
  close(): void;
}

/** Nodes, links and clocks of a test. Time passes only where the test lets it pass. */
export class Simulation {
  /** The monotonic clock of all nodes, in milliseconds. */
  now = 1_000_000;
  readonly nodes = new Map<string, SimNode>();
  connections: Connection[] = [];
  /** Pairs that dial each other while they are not connected: `a b`. */
  readonly wanted = new Set<string>();
  /** Publications whose age some node has read wrongly from its disk, because its wall clock had changed. */
  readonly distorted = new Set<string>();
  /** Scrapes that some node has evicted. */
  readonly evicted = new Set<string>();
  readonly failures: string[] = [];
  /** Fetched scrapes: receiver, origin and number. */
  readonly fetched: string[] = [];
  /** Why links failed. */
  readonly linkErrors: string[] = [];
  onSent: (from: SimNode, to: SimNode, item: SentItem) => void = () => undefined;
  #seed: number;
  /** What each target responded, by text. */
  readonly #contents = new Map<string, { readonly first: number; last: number }>();

  constructor(seed = 1) {
    this.#seed = seed >>> 0 || 1;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  }

  dispose(): void {
    for (const connection of this.connections) connection.close();
    vi.clearAllTimers();
    vi.useRealTimers();
  }

  /** xorshift32: repeatable. */
  random(): number {
    this.#seed ^= this.#seed << 13;
    this.#seed >>>= 0;
    this.#seed ^= this.#seed >>> 17;
    this.#seed ^= this.#seed << 5;
    this.#seed >>>= 0;
    return this.#seed / 2 ** 32;
  }

  node(key: string): SimNode {
    const node = this.nodes.get(key);
    if (node === undefined) throw new Error(`no node ${key}`);
    return node;
  }

  add(key: string, options: NodeOptions = {}): SimNode {
    const node = new SimNode(this, key, options);
    this.nodes.set(key, node);
    node.start();
    return node;
  }

  /** What a target responds now. */
  content({ key }: SimNode, { id, version }: { readonly id: string; readonly version: number }): string {
    const text = `# HELP node ${key}\n# HELP target ${id}\nversion ${version}\n`;
    const known = this.#contents.get(text);
    if (known === undefined) this.#contents.set(text, { first: this.now, last: this.now });
    else known.last = this.now;
    return text;
  }

  /** Whether a target of a name responded with these bytes, and when last. */
  lastResponse(gzip: Buffer): number | undefined {
    return this.#contents.get(gunzipSync(gzip).toString())?.last;
  }

  want(...pairs: readonly [string, string][]): void {
    for (const pair of pairs) this.wanted.add(pair.toSorted().join(" "));
  }

  unwant(a: string, b: string): void {
    this.wanted.delete([a, b].toSorted().join(" "));
    for (const connection of this.connections)
      if (connection.nodes.includes(this.node(a)) && connection.nodes.includes(this.node(b)))
        connection.close();
  }

  connected(a: SimNode, b: SimNode): Connection[] {
    return this.connections.filter(({ nodes }) => nodes.includes(a) && nodes.includes(b));
  }

  dial(a: SimNode, b: SimNode): Connection {
    const nodes = [a, b] as const;
    const memory = new MemoryConnection((from, item) => this.#sent(nodes[from], nodes[1 - from]!, item));
    const links = [
      new Link(memory.end(0), true, a.running.links),
      new Link(memory.end(1), false, b.running.links),
    ] as const;
    const connection: Connection = {
      memory,
      nodes,
      links,
      stalled: false,
      close: () => {
        memory.close();
        this.connections = this.connections.filter((other) => other !== connection);
      },
    };
    this.connections.push(connection);
    for (const link of links) {
      link.run().catch((error: Error) => {
        this.linkErrors.push(
          `${a.key}-${b.key}: ${error.message}${error.cause === undefined ? "" : ` (${error.cause})`}`,
        );
        connection.close();
      });
    }
    return connection;
  }

  /** A peer of a node whose messages the test writes. */
  raw(node: SimNode, options: { readonly dialled?: boolean } = {}): RawPeer {
    const memory = new MemoryConnection();
    const link = new Link(memory.end(0), options.dialled ?? false, node.running.links);
    const channels = memory.end(1);
    const peer: RawPeer = { link, channels, received: [], members: [], error: undefined };
    const connection: Connection = {
      memory,
      nodes: [node, node],
      links: [link, link],
      stalled: false,
      close: () => {
        memory.close();
        this.connections = this.connections.filter((other) => other !== connection);
      },
    };
    this.connections.push(connection);
    void read(channels.messages(), (envelope) => peer.received.push(envelope));
    const members = channels.scrapes(
      () => true,
      () => undefined,
    );
    void read(members, (member) => peer.members.push(member));
    link.run().catch((error: PeerError) => {
      peer.error = error;
      connection.close();
    });
    return peer;
  }

  /**
   * Lets time pass: timers, ticks, dialling, deliveries.
   *
   * @param prompt whether everything arrives at once; else some of it, in random order.
   */
  async advance(ms: number, prompt = true): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += stepMs;
      vi.advanceTimersByTime(stepMs);
      if (this.now % 1000 === 0) for (const node of this.nodes.values()) node.tick();
      this.#dialAll();
      await this.deliver(prompt ? Number.POSITIVE_INFINITY : Math.floor(this.random() * 30));
    }
  }

  /** Delivers up to so many items, in random order. */
  async deliver(most = Number.POSITIVE_INFINITY): Promise<void> {
    await turn();
    for (let count = 0; count < most; count++) {
      const queues = this.connections
        .filter(({ stalled }) => !stalled)
        .flatMap(({ memory }) => memory.queues.filter(({ deliverable }) => deliverable));
      if (queues.length === 0) {
        if (!this.#isBusy()) return;
        await turn();
        continue;
      }
      await queues[Math.floor(this.random() * queues.length)]!.deliver();
      await turn();
    }
  }

  #isBusy(): boolean {
    return this.connections.some(
      ({ memory, stalled }) =>
        !stalled &&
        memory.directions.some(
          ({ pending, queues }) => pending > 0 || queues.some(({ items }) => items.length > 0),
        ),
    );
  }

  #dialAll(): void {
    for (const pair of this.wanted) {
      const [a, b] = pair.split(" ").map((key) => this.node(key)) as [SimNode, SimNode];
      if (a.process === undefined || b.process === undefined || this.connected(a, b).length > 0) continue;
      const chance = this.random();
      if (chance < 0.5) this.dial(a, b);
      if (chance > 0.4) this.dial(b, a);
    }
  }

  #sent(from: SimNode, to: SimNode, item: SentItem): void {
    for (const { name } of item.scrapes ?? []) this.fetched.push(`${to.key} ${name}`);
    this.onSent(from, to, item);
  }
}

/** See `Simulation.raw`. */
export interface RawPeer {
  readonly link: Link;
  /** Its end of the connection. */
  readonly channels: LinkChannels;
  /** What the node has sent. */
  readonly received: Envelope[];
  readonly members: StreamedMember[];
  /** Why the node closed the link. */
  error: PeerError | undefined;
}

async function read<T>(items: AsyncIterable<T>, take: (item: T) => void): Promise<void> {
  for await (const item of items) take(item);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Differences between what an origin publishes and what the other running nodes hold of it. */
export function differences(simulation: Simulation, origin: SimNode, { exact = false } = {}): string[] {
  const { process } = origin;
  if (process === undefined) return [];
  const own = process.cache.feed(origin.name);
  if (own === undefined) return [];
  const found: string[] = [];
  const youngest = simulation.now - history * 1000 + 12_000;
  const expected = own.publications().filter(({ publication, at }) => {
    const { kind, number, instance } = publication;
    if (simulation.distorted.has(`${origin.name} ${number}`)) return false;
    if (kind === "batch" && (at < youngest || publication.local === true)) return false;
    return instance === process.instance || process.loaded.has(number);
  });
  for (const node of simulation.nodes.values()) {
    if (node === origin || node.process === undefined) continue;
    const feed = node.process.cache.feed(origin.name);
    const lacks = (what: string) => found.push(`${node.key} lacks ${what} of ${origin.key}`);
    if (feed === undefined) {
      if (expected.length > 0) lacks("everything");
      continue;
    }
    const batches = new Map(feed.publications().map((held) => [held.publication.number, held]));
    for (const held of expected) {
      const { publication } = held;
      const there = batches.get(publication.number);
      if (there === undefined || !there.bytes.equals(held.bytes)) {
        lacks(`${publication.kind} ${publication.number}`);
        continue;
      }
      if (exact && Math.abs(there.at - held.at) > 50)
        found.push(
          `${node.key} has another age of ${publication.kind} ${publication.number} of ${origin.key}`,
        );
      if (publication.kind !== "batch") continue;
      for (const { outcome } of publication.attempts.filter(succeeded)) {
        const bytes = own.scrapes.gzipOf(outcome.number);
        if (bytes === undefined || simulation.evicted.has(`${origin.name} ${outcome.number}`)) continue;
        if (feed.scrapes.gzipOf(outcome.number)?.equals(bytes) !== true) lacks(`scrape ${outcome.number}`);
      }
    }
    found.push(...differentlyServed(simulation, origin, node));
  }
  return found;
}

/** What a node serves of an origin, and what the origin itself serves. */
function differentlyServed(simulation: Simulation, origin: SimNode, node: SimNode): string[] {
  const found: string[] = [];
  for (const scrape of origin.running.cache.fresh()) {
    if (scrape.origin !== origin.name || scrape.scope === "local") continue;
    if (simulation.evicted.has(`${origin.name} ${scrape.number}`)) continue;
    const other = node.running.cache.named(scrape.names[0]!)[0];
    if (other === undefined) found.push(`${node.key} does not serve ${scrape.job}`);
    else if (!other.gzip.equals(scrape.gzip)) found.push(`${node.key} serves other bytes of ${scrape.job}`);
    else if (other.scrapedAt !== scrape.scrapedAt)
      found.push(`${node.key} has another time of ${scrape.job}: ${other.scrapedAt}, ${scrape.scrapedAt}`);
  }
  return found;
}

/** What the nodes serve against the rules, at any moment. */
export function wronglyServed(simulation: Simulation): string[] {
  const found: string[] = [];
  const isDistorted = simulation.distorted.size > 0;
  for (const { key, process } of simulation.nodes.values()) {
    for (const scrape of process?.cache.fresh() ?? []) {
      const text = gunzipSync(scrape.gzip).toString();
      if (!text.includes(`target ${scrape.id}\n`)) found.push(`${key} serves wrong bytes for ${scrape.job}`);
      const age = simulation.now - (simulation.lastResponse(scrape.gzip) ?? Number.NEGATIVE_INFINITY);
      // What waits in a queue for 10 s looks younger by as much.
      if (!isDistorted && age > (staleAfter + 30) * 1000)
        found.push(`${key} serves ${scrape.job} after ${age} ms`);
    }
  }
  return found;
}

/** Memory that a node has taken, and what it holds. */
export function memoryOfNode({ running: { budget, cache } }: SimNode): { used: number; held: number } {
  let held = 0;
  for (const feed of cache.feeds()) {
    held += feed.scrapes.bytes;
    for (const publication of feed.publications()) held += memoryOf(publication);
  }
  return { used: budget.used, held };
}
