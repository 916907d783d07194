import { randomUUID } from "node:crypto";
import type { Cache } from "../cache/cache.js";
import { loadIdentity, nextEpoch, saveIdentity } from "../cache/epoch-file.js";
import type { ServiceLabelTable } from "../cache/service-label-table.js";
import type { ListenAddress } from "../config/readers.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import { peerStates, type ReplicationStatus } from "../model/replication-status.js";
import type { Scrape } from "../model/scrape.js";
import { TokenBucket } from "../model/token-bucket.js";
import { maxEpoch } from "../model/version.js";
import type { Telemetry } from "../telemetry.js";
import { Claims } from "./claims.js";
import { createExportCommand } from "./export-command.js";
import { defaultLimits, type ReplicationLimits } from "./limits.js";
import { failureReasons } from "./peer-error.js";
import type { PeerSource } from "./peers.js";
import { Replicator } from "./replicator.js";
import { refusalReasons } from "./ssh/failures.js";
import { deriveKeys } from "./ssh/keys.js";
import { startSshServer } from "./ssh/server.js";
import { createStatusCommand } from "./status-command.js";

export interface ReplicationOptions {
  readonly listen: ListenAddress;
  /** SSHPASS. */
  readonly secret: string;
  readonly source: PeerSource;
  readonly replicateTo: "all" | "managers";
  /** Which of this node's own entries are for others. */
  readonly travels: (entry: Scrape) => boolean;
  readonly cache: Cache;
  /** Filled with the labels of the swarm's services. */
  readonly serviceLabels: ServiceLabelTable;
  readonly cacheDir: string;
  readonly staleAfter: number;
  /** SCRAPE_MAX_BYTES. */
  readonly maxBytes: number;
  /** SCRAPE_INTERVAL, which is also the time between two cycles. */
  readonly interval: number;
  /** The name of this node. */
  readonly origin: string;
  /** ADVERTISE_ADDRESS, for others to tell. */
  readonly advertise?: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly limits?: Partial<ReplicationLimits>;
}

/**
 * New epochs because of what peers hold. Each writes all own entries and a line in the log; after a start one is
 * enough, and who holds a later one yet says so again.
 */
const raiseRate = { capacity: 5, perSecond: 1 / 60 };

/** Replication at work. */
export interface Replication {
  /** The port of the SSH server. */
  readonly port: number;
  /** To be called right after each scan; never rejects, and need not be awaited. */
  cycle(): Promise<void>;
  /** Whether the first attempt is made. */
  readonly attempted: boolean;
  status(): ReplicationStatus;
  stop(): Promise<void>;
}

/**
 * Derives the keys, publishes what this node has, opens the SSH server, and is ready for the first cycle.
 *
 * @throws ListenError where SSH_LISTEN_ADDRESS cannot be had.
 */
export async function startReplication(options: ReplicationOptions): Promise<Replication> {
  const { cache, cacheDir, origin, clock, logger, telemetry, secret } = options;
  const { holdings } = cache;
  const keys = await deriveKeys(secret);

  const keep = (epoch: number) => saveIdentity(cacheDir, { origin, epoch }, logger);
  const raises = new TokenBucket(raiseRate, clock.monotonic());
  const raiseEpoch = (above: number) => {
    if (above < holdings.epoch || above >= maxEpoch || !raises.take(clock.monotonic())) return;
    logger.info("a peer holds a later epoch of this node than its own: it begins a new one", {
      epoch: above + 1,
    });
    holdings.raiseEpoch(above + 1);
    void keep(above + 1);
  };
  // Before anybody can call: who holds an earlier epoch of this node would take it to know of none.
  const epoch = nextEpoch(await loadIdentity(cacheDir), clock);
  await keep(epoch);
  const { advertise, travels } = options;
  holdings.publish({ origin, epoch, travels, ...(advertise === undefined ? {} : { advertise }) });
  const replicator = new Replicator({
    source: options.source,
    keys,
    context: {
      cache,
      clock,
      limits: { ...defaultLimits(options.maxBytes), ...options.limits },
      claims: new Claims(clock),
      serviceLabels: options.serviceLabels,
      instance: randomUUID(),
      origin: () => origin,
      replicateTo: options.replicateTo,
      raiseEpoch,
      count: (direction, entries) => telemetry.replicatedEntries.inc({ direction }, entries),
      countBytes: (direction, bytes) => telemetry.replicatedBytes.inc({ direction }, bytes),
    },
    logger,
    staleAfter: options.staleAfter,
    interval: options.interval,
    onFailure: (reason) => telemetry.replicationFailures.inc({ reason }),
  });
  const status = () => statusOf(replicator, options);
  const server = await startSshServer({
    listen: options.listen,
    keys,
    password: secret,
    clock,
    logger,
    onRefused: (reason) => telemetry.sshRefused.inc({ reason }),
    onHostKeyRefused: (address) => replicator.hostKeyRefused(address),
    commands: {
      everybody: { export: createExportCommand(cache, clock), status: createStatusCommand(status) },
      peers: { sync: replicator.answer },
    },
  });
  for (const direction of ["in", "out"]) {
    telemetry.replicatedEntries.inc({ direction }, 0);
    telemetry.replicatedBytes.inc({ direction }, 0);
  }
  for (const reason of failureReasons) telemetry.replicationFailures.inc({ reason }, 0);
  for (const reason of refusalReasons) telemetry.sshRefused.inc({ reason }, 0);
  telemetry.observePeers({
    states: peerStates,
    peers: () => replicator.statuses(),
    listFailing: () => replicator.listFailing !== undefined,
    sharedNames: () => replicator.sharedNames().length,
  });
  logger.info("replicating", { port: server.port, origin });

  return {
    port: server.port,
    cycle: () => replicator.cycle(),
    get attempted() {
      return replicator.attempted;
    },
    status,
    async stop() {
      replicator.stop();
      await server.stop();
    },
  };
}

function statusOf(replicator: Replicator, { cache, clock, origin }: ReplicationOptions): ReplicationStatus {
  const now = clock.monotonic();
  return {
    origin,
    manager: replicator.manager,
    ...(replicator.listFailing === undefined ? {} : { listFailing: replicator.listFailing }),
    peers: replicator.statuses(),
    cutOff: replicator.cutOffs(),
    sharedNames: replicator.sharedNames(),
    origins: cache.holdings.list().map(({ origin, size, heardAt, advertise }) => ({
      origin,
      entries: size,
      silentFor: Math.max(0, Math.round((now - heardAt) / 1000)),
      ...(advertise === undefined ? {} : { advertise }),
    })),
  };
}
