import { randomUUID } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { onTestFinished } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { ServiceLabelTable } from "../../src/cache/service-label-table.js";
import { type Logger, silentLogger } from "../../src/logging.js";
import { type Clock, systemClock } from "../../src/model/clock.js";
import type { Scrape } from "../../src/model/scrape.js";
import type { ServiceLabels } from "../../src/model/service-labels.js";
import { Claims } from "../../src/replication/claims.js";
import { createExportCommand } from "../../src/replication/export-command.js";
import { defaultLimits, type ReplicationLimits } from "../../src/replication/limits.js";
import type { FailureReason } from "../../src/replication/peer-error.js";
import type { PeerList } from "../../src/replication/peers.js";
import { Replicator } from "../../src/replication/replicator.js";
import type { ConnectionLimits } from "../../src/replication/ssh/connection-guard.js";
import type { RefusalReason } from "../../src/replication/ssh/failures.js";
import { type SshServer, startSshServer } from "../../src/replication/ssh/server.js";
import type { ConnectionTimings } from "../../src/replication/ssh/server-connection.js";
import { createStatusCommand } from "../../src/replication/status-command.js";
import { entryFor } from "../support/entries.js";
import { keysFor, testSecret } from "./ssh/test-server.js";

export { keysFor, testSecret };

/** A proxy without discovery and HTTP: a cache, an SSH server on loopback, and a replicator. */
export interface TestProxy {
  readonly origin: string;
  readonly cache: Cache;
  readonly server: SshServer;
  readonly replicator: Replicator;
  readonly serviceLabels: ServiceLabelTable;
  readonly failures: FailureReason[];
  readonly refusals: RefusalReason[];
  readonly entries: { in: number; out: number };
  /** Whom it talks to from now on, by their ports; `manager` unless told. */
  talkTo(...others: { readonly server: { readonly port: number } }[]): void;
  role(manager: boolean, serviceLabels?: ServiceLabels, problem?: string): void;
  put(id: string, text: string, fields?: Partial<Scrape>): Scrape;

  stop(): Promise<void>;
}

export interface TestProxyOptions {
  readonly secret?: string;
  readonly epoch?: number;
  readonly clock?: Clock;
  readonly staleAfter?: number;
  readonly interval?: number;
  readonly replicateTo?: "all" | "managers";
  readonly limits?: Partial<ReplicationLimits>;
  readonly connectionLimits?: Partial<ConnectionLimits>;
  readonly connectionTimings?: Partial<ConnectionTimings>;
  readonly logger?: Logger;
  /** What comes of asking for its peers, which are given; they themselves unless told. */
  readonly list?: (peers: PeerList) => Promise<PeerList>;
}

/** Starts a proxy; it is stopped when the test is done. */
export async function startProxy(origin: string, options: TestProxyOptions = {}): Promise<TestProxy> {
  const { secret = testSecret, clock = systemClock, staleAfter = 30, logger = silentLogger } = options;
  const cache = new Cache({ clock, staleAfter });
  cache.holdings.publish({
    origin,
    epoch: options.epoch ?? clock.now(),
    travels: ({ scope }) => scope === "replicated",
  });
  let peers: PeerList = { manager: true, peers: [] };
  const serviceLabels = new ServiceLabelTable();
  const failures: FailureReason[] = [];
  const refusals: RefusalReason[] = [];
  const entries = { in: 0, out: 0 };
  const keys = await keysFor(secret);
  const replicator = new Replicator({
    source: { list: () => options.list?.(peers) ?? Promise.resolve(peers) },
    keys,
    context: {
      cache,
      clock,
      limits: { ...defaultLimits(1024 * 1024), ...options.limits },
      claims: new Claims(clock),
      serviceLabels,
      instance: randomUUID(),
      origin: () => origin,
      replicateTo: options.replicateTo ?? "all",
      raiseEpoch: (above) => cache.holdings.raiseEpoch(above + 1),
      count: (direction, count) => {
        entries[direction] += count;
      },
      countBytes: () => undefined,
    },
    logger,
    staleAfter,
    timings: { connectMs: 3000, keepaliveMs: 1000 },
    interval: options.interval ?? 10,
    onFailure: (reason) => failures.push(reason),
  });
  const server = await startSshServer({
    listen: { host: "127.0.0.1", port: 0 },
    keys,
    password: secret,
    clock,
    logger,
    ...(options.connectionLimits === undefined ? {} : { limits: options.connectionLimits }),
    ...(options.connectionTimings === undefined ? {} : { timings: options.connectionTimings }),
    onRefused: (reason) => refusals.push(reason),
    onHostKeyRefused: (address) => replicator.hostKeyRefused(address),
    commands: {
      everybody: {
        export: createExportCommand(cache, clock),
        status: createStatusCommand(() => ({ node: origin })),
      },
      peers: { sync: replicator.answer },
    },
  });
  let stopped = false;
  const stop = async () => {
    if (stopped) return;
    stopped = true;
    replicator.stop();
    await server.stop();
  };
  onTestFinished(stop);
  return {
    origin,
    cache,
    server,
    replicator,
    serviceLabels,
    failures,
    refusals,
    entries,
    stop,
    talkTo(...others) {
      peers = { ...peers, peers: others.map(({ server: { port } }) => knownPeer(port)) };
    },
    role(manager, labels, problem) {
      const { problem: _, ...before } = peers;
      peers = {
        ...before,
        manager,
        ...(labels === undefined ? {} : { serviceLabels: labels }),
        ...(problem === undefined ? {} : { problem }),
      };
    },
    put(id, text, fields = {}) {
      const entry = entryFor(clock, { id, origin, text, replica: id, startedAt: clock.now(), ...fields });
      cache.put(entry);
      return entry;
    },
  };
}

function knownPeer(port: number) {
  return { key: String(port), title: `peer at ${port}`, addresses: [{ host: "127.0.0.1", port }] };
}

/** Text by instance, of all that a proxy would serve under a name. */
export function served({ cache }: TestProxy, name = "web"): Record<string, string> {
  return Object.fromEntries(cache.named(name).map((entry) => [entry.replica, textOf(entry)]));
}

function textOf({ gzip }: Scrape): string {
  return gunzipSync(gzip).toString();
}
