import { missingSecret } from "../config/config.js";
import { findOwnTask } from "../discovery/docker/own-container.js";
import { ConfigError, DiscoveryError, describeError } from "../errors.js";
import { maxGzipBytes } from "../fetch/read-response.js";
import type { Logger } from "../logging.js";
import { arrivingShare } from "../memory-budget.js";
import { systemClock } from "../model/clock.js";
import { originName } from "../model/origin-name.js";
import type { ReplicationView } from "../model/replication-status.js";
import { createStaticPeers, createSwarmPeers, type PeerSource } from "../replication/peers/peer-source.js";
import { type Replication, startReplication } from "../replication/replication.js";
import type { Environment, Scanning } from "./scanning.js";

/**
 * Starts replication. In a task of a Swarm service: with the other tasks, for replicated services only. With PEERS: for
 * all targets. With SSHPASS only: accepts connections.
 *
 * @returns undefined if replication is not configured.
 * @throws ConfigError if the secret is missing; DiscoveryError if the engine is unreachable; ListenError.
 */
export async function startReplicating(
  { config, logger }: Environment,
  {
    cache,
    budget,
    scheduler,
    instance,
    engine,
    swarm,
    telemetry,
    publisher,
    learnNodeName,
    replicate,
  }: Scanning,
  signal: AbortSignal,
): Promise<Replication | undefined> {
  const { sshPass, peers, sshListen } = config;
  const task = peers.length === 0 && engine !== undefined ? await findOwnTask(engine, signal) : undefined;
  if (task !== undefined && sshPass === undefined) {
    throw new ConfigError([missingSecret("this is a task of a Swarm service")]);
  }
  if (sshPass === undefined) return undefined;
  const origin = originName(await learnNodeName(), config.listen);
  swarm.task = task;
  if (task !== undefined) await swarm.observe(publisher, signal);
  replicate(task === undefined ? () => true : ({ scope }) => scope === "replicated");
  const source: PeerSource =
    task === undefined ? createStaticPeers(peers) : createSwarmPeers(task, sshListen.port, swarm);
  return startReplication({
    listen: sshListen,
    secret: sshPass,
    source,
    telemetry,
    cache,
    publisher,
    budget,
    scheduler,
    arrivingMaxBytes: config.memoryMaxBytes * arrivingShare,
    clock: systemClock,
    logger,
    instance,
    origin,
    manager: () => task === undefined || swarm.manager,
    replicateTo: config.replicateTo,
    history: config.history,
    interval: config.scrapeInterval,
    maxScrapeBytes: maxGzipBytes(config.scrapeMaxBytes),
  });
}

/** Starts replication, retrying until the Docker engine is reachable. */
export class Replicating {
  readonly #start: (signal: AbortSignal) => Promise<Replication | undefined>;
  readonly #logger: Logger;
  #replication: Replication | undefined;
  #decided = false;
  #tried = false;
  #starting: Promise<void> | undefined;
  #reported: string | undefined;
  readonly #stopping = new AbortController();

  /** @param start rejects with a DiscoveryError if it should be retried. */
  constructor(start: (signal: AbortSignal) => Promise<Replication | undefined>, logger: Logger) {
    this.#start = start;
    this.#logger = logger;
  }

  get current(): Replication | undefined {
    return this.#replication;
  }

  /** Whether each known peer has been tried once. */
  get ready(): boolean {
    return this.#tried && (this.#replication?.attempted ?? true);
  }

  /** Its status, or why there is none. */
  view(): ReplicationView {
    if (this.#replication !== undefined) return { status: this.#replication.status() };
    const pending = this.#reported === undefined ? "not started yet" : `not started yet: ${this.#reported}`;
    const off = "off: SSHPASS and PEERS are not set, and this is not a task of a Swarm service";
    return { status: undefined, reason: this.#decided ? off : pending };
  }

  /** Tries to start. @throws errors that a retry cannot resolve. */
  start(): Promise<void> {
    this.#starting ??= this.#tryStart().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /** Updates the list of peers, or tries to start. Does not wait and never fails. */
  afterScan(): void {
    if (this.#decided) return void this.#replication?.refresh();
    if (this.#starting !== undefined) return;
    this.start().then(
      () => void this.#replication?.refresh(),
      (error) => this.#report(error),
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#starting?.catch(() => undefined);
    this.#decided = true;
    await this.#replication?.stop();
  }

  async #tryStart(): Promise<void> {
    try {
      this.#replication = await this.#start(this.#stopping.signal);
      this.#decided = true;
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      if (!(error instanceof DiscoveryError)) throw error;
      this.#report(error);
    } finally {
      this.#tried = true;
    }
  }

  #report(error: unknown): void {
    const reason = describeError(error);
    if (reason !== this.#reported) this.#logger.error("replication not started", { error: reason });
    this.#reported = reason;
  }
}
