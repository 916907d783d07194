import { once } from "node:events";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { addressBlock } from "../address/ip.js";
import type { ListenAddress } from "../config/readers.js";
import { describeError } from "../errors.js";
import { limitLines } from "../logging/limit-lines.js";
import type { ReplicationStatus } from "../model/replication-status.js";
import { printableJson } from "../printable.js";
import { Scheduler } from "../scheduler.js";
import type { Telemetry } from "../telemetry.js";
import { createExportCommand } from "./export.js";
import { type FailureReason, failureReasons, PeerError } from "./peer-error.js";
import { Dialer } from "./peers/dialer.js";
import type { PeerSource } from "./peers/peer-source.js";
import { RejectedPeers } from "./peers/rejected-peers.js";
import { openLink as connect } from "./ssh/client.js";
import type { PeerConnection } from "./ssh/connection.js";
import { refusalReasons } from "./ssh/connection-guard.js";
import { deriveKeys, type SharedKeys } from "./ssh/keys.js";
import { startSshServer } from "./ssh/server.js";
import type { SshCommand } from "./ssh/server-connection.js";
import { defaultTimeouts, type SyncContext, type SyncTimeouts } from "./sync/context.js";
import { Link } from "./sync/link.js";
import { Links } from "./sync/links.js";
import { ArrivingMemory } from "./wire/arriving-memory.js";
import { openChannels } from "./wire/channel.js";
import { protocolVersion } from "./wire/messages.js";

export interface ReplicationOptions
  extends Omit<SyncContext, "arriving" | "scheduler" | "onScrapes" | "onSkipped" | "task" | "timeouts"> {
  /** SSH_LISTEN_ADDRESS. */
  readonly listen: ListenAddress;
  /** SSHPASS. */
  readonly secret: string;
  /** Derived from the secret unless given. */
  readonly keys?: SharedKeys;
  readonly source: PeerSource;
  readonly telemetry: Telemetry;
  /** Shares the CPU with the work of other parts. */
  readonly scheduler?: Scheduler;
  /** The most memory for data that is arriving. */
  readonly arrivingMaxBytes?: number;
  /** Milliseconds until a connection to a peer must be open. */
  readonly connectMs?: number;
  readonly timeouts?: Partial<SyncTimeouts>;
  /** Milliseconds between two checks of all links and peers. Set by tests with a faster clock. */
  readonly tickMs?: number;
}

/** Running replication. */
export interface Replication {
  /** The port of the SSH server. */
  readonly port: number;
  /** Whether each peer of the first list has been dialled, or has dialled this node. */
  readonly attempted: boolean;
  /** Updates the list of peers. Never rejects. */
  refresh(): Promise<void>;
  status(): ReplicationStatus;
  stop(): Promise<void>;
}

/** The two commands of a link. Each version of the protocol has its own. */
const messagesCommand = `replicate-${protocolVersion}`;
const scrapesCommand = `replicate-${protocolVersion}-scrapes`;
/** Milliseconds for the second channel of a link, and for a peer to read a message or a group of scrapes. */
const channelMs = 5000;
const sendMs = 60_000;
const defaultTickMs = 1000;
const defaultArrivingBytes = 64 * 1024 * 1024;

/**
 * Opens the SSH server and links to all peers.
 *
 * @throws ListenError if it cannot listen on SSH_LISTEN_ADDRESS.
 */
export async function startReplication(options: ReplicationOptions): Promise<Replication> {
  const { clock, telemetry, secret, source, cache } = options;
  // Peers can cause any number of failures.
  const logger = limitLines(options.logger, () => clock.monotonic());
  const keys = options.keys ?? (await deriveKeys(secret));
  const context: SyncContext = {
    ...options,
    logger,
    scheduler: options.scheduler ?? new Scheduler(),
    arriving: new ArrivingMemory(options.arrivingMaxBytes ?? defaultArrivingBytes, clock),
    timeouts: { ...defaultTimeouts, ...options.timeouts },
    ...(source.task === undefined ? {} : { task: source.task }),
    onScrapes: (direction, count) => telemetry.replicatedEntries.inc({ direction }, count),
    onSkipped: (reason) => telemetry.replicationFailures.inc({ reason }),
  };
  const links = new Links(context);
  const rejected = new RejectedPeers(clock, logger);
  const onFailure = (reason: FailureReason) => telemetry.replicationFailures.inc({ reason });
  const onBytes = (direction: "in" | "out", bytes: number) =>
    telemetry.replicatedBytes.inc({ direction }, bytes);
  const linkOn = (messages: Duplex, scrapes: Duplex, { ended }: PeerConnection, dialled: boolean) =>
    new Link(
      openChannels({ messages, scrapes, arriving: context.arriving, ended, sendMs, onBytes }),
      dialled,
      links,
    );

  const dialer = new Dialer({
    source,
    links,
    logger,
    connect: (address, signal) => connect(address, keys, signal, options.connectMs),
    openLink: async (connection) => {
      const channels = Promise.all([connection.run(messagesCommand), connection.run(scrapesCommand)]);
      const late = sleep(channelMs, undefined, { ref: false }).then(() => {
        throw new PeerError("timeout", "peer opened no channel");
      });
      const [messages, scrapes] = await Promise.race([channels, late]);
      return linkOn(messages, scrapes, connection, true);
    },
    onFailure,
  });

  /** Runs a link of a peer that dialled this node. */
  const accept = async (messages: Duplex, scrapes: Duplex, connection: PeerConnection) => {
    const link = linkOn(messages, scrapes, connection, false);
    try {
      await link.run();
    } catch (error) {
      const failure = error as PeerError;
      // The peer may close the connection for the same reason first.
      if (failure.reason === "closed" || failure === connection.ended.reason) return;
      onFailure(failure.reason);
      rejected.add(link.peer?.origin ?? "unknown", failure.reason, describeError(failure));
      throw failure;
    } finally {
      connection.close();
    }
  };
  const pair = pairChannels(accept);

  const status = (): ReplicationStatus => ({
    origin: context.origin,
    manager: context.manager(),
    ...(dialer.listFailing === undefined ? {} : { listFailing: dialer.listFailing }),
    peers: dialer.statuses(),
    cutOff: rejected.list(),
    sharedNames: links.sharedNames(),
    origins: [...cache.feeds()].map(({ origin, scrapes, newestAt, targetsDocument }) => {
      const advertise = targetsDocument?.publication.advertise;
      return {
        origin,
        entries: scrapes.served,
        silentFor: Math.max(0, Math.round((clock.monotonic() - newestAt) / 1000)),
        ...(advertise === undefined ? {} : { advertise }),
      };
    }),
  });
  const server = await startSshServer({
    listen: options.listen,
    keys,
    password: secret,
    clock,
    logger,
    onRefused: (reason) => telemetry.sshRefused.inc({ reason }),
    // Otherwise, a node that dials no peers would not learn that its SSHPASS is wrong.
    onHostKeyRefused: (address) =>
      rejected.add(
        addressBlock(address),
        "host_key",
        "client rejected this node's host key: it has another SSHPASS, or is not a peer",
      ),
    commands: {
      everybody: {
        export: createExportCommand(cache, clock),
        status: async (stream) => void stream.write(`${printableJson(status(), 2)}\n`),
      },
      peers: { [messagesCommand]: pair.messages, [scrapesCommand]: pair.scrapes },
    },
  });
  for (const direction of ["in", "out"]) {
    telemetry.replicatedEntries.inc({ direction }, 0);
    telemetry.replicatedBytes.inc({ direction }, 0);
  }
  for (const reason of failureReasons) telemetry.replicationFailures.inc({ reason }, 0);
  for (const reason of refusalReasons) telemetry.sshRefused.inc({ reason }, 0);
  telemetry.observePeers({
    peers: () => dialer.statuses(),
    listFailing: () => dialer.listFailing !== undefined,
    sharedNames: () => links.sharedNames().length,
  });
  const timer = setInterval(() => {
    links.tick();
    dialer.tick();
  }, options.tickMs ?? defaultTickMs);
  timer.unref();
  logger.info("replication started", { port: server.port, origin: context.origin });

  return {
    port: server.port,
    get attempted() {
      return dialer.attempted;
    },
    refresh: () => dialer.refresh(),
    status,
    async stop() {
      clearInterval(timer);
      links.stop();
      await dialer.stop();
      await server.stop();
    },
  };
}

/** Pairs the two channels of a link, which arrive as two commands of one connection, in any order. */
function pairChannels(
  run: (messages: Duplex, scrapes: Duplex, connection: PeerConnection) => Promise<void>,
): Record<"messages" | "scrapes", SshCommand> {
  const pairs = new WeakMap<PeerConnection, { messages?: Duplex; scrapes?: Duplex }>();
  const command =
    (name: "messages" | "scrapes"): SshCommand =>
    async (channel, connection, signal) => {
      const pair = pairs.get(connection) ?? {};
      pairs.set(connection, pair);
      pair[name] = channel;
      if (pair.messages && pair.scrapes) return await run(pair.messages, pair.scrapes, connection);
      await sleep(channelMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (!pair.messages || !pair.scrapes) {
        throw new PeerError("timeout", "peer opened only one of two channels");
      }
      if (!signal.aborted) await once(signal, "abort");
    };
  return { messages: command("messages"), scrapes: command("scrapes") };
}
