import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { addressBlock } from "../address/address-block.js";
import { describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import type { CutOff, PeerStatus, ReplicationStatus } from "../model/replication-status.js";
import { Answered } from "./answered.js";
import { CutOffs } from "./cut-offs.js";
import { NameWatch } from "./name-watch.js";
import { Peer } from "./peer.js";
import { type FailureReason, PeerError } from "./peer-error.js";
import type { KnownPeer, PeerSource } from "./peers.js";
import { ReceiveBudget } from "./receive-budget.js";
import type { LinkTimings } from "./ssh/client.js";
import type { SharedKeys } from "./ssh/keys.js";
import type { SshCommand } from "./ssh/server-connection.js";
import { openSyncChannel } from "./sync-channel.js";
import type { SyncContext } from "./sync-context.js";
import { SyncSession } from "./sync-session.js";

export interface ReplicatorOptions {
  readonly source: PeerSource;
  readonly keys: SharedKeys;
  readonly context: Omit<SyncContext, "manager" | "answered" | "received">;
  readonly logger: Logger;
  readonly timings?: LinkTimings;
  /** STALE_AFTER: what was seen of peers counts for twice as long. */
  readonly staleAfter: number;
  /** Seconds between two cycles. */
  readonly interval: number;
  /** Told each failure, for the metrics. */
  readonly onFailure?: (reason: FailureReason) => void;
}

/** How often a peer is talked to in one cycle: once, and again when others brought something that it lacks. */
const exchangesPerCycle = 3;
/** Milliseconds that known peers wait for a newer list: an engine without a swarm's leader answers late or never. */
const listPatience = 500;
/** Milliseconds to wait for what others bring, so that it goes on together. */
const gatherMs = 200;

/** Talks to all peers after each scan, and answers those that talk to this node. */
export class Replicator {
  readonly #options: ReplicatorOptions;
  readonly #context: SyncContext;
  readonly #peers = new Map<string, Peer>();
  /** Those that are tried again as soon as their time comes. */
  readonly #waiting = new Set<Peer>();
  readonly #stopping = new AbortController();
  #manager = false;
  #listFailing: ReplicationStatus["listFailing"];
  readonly #cutOffs: CutOffs;
  readonly #names: NameWatch;
  #attempted = false;
  #listing: Promise<void> | undefined;
  /** Counts the cycles: what one of them still waits for ends with the next. */
  #cycle = 0;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
    // Each peer that is being connected to listens.
    setMaxListeners(0, this.#stopping.signal);
    const { cache, clock, instance } = options.context;
    this.#cutOffs = new CutOffs(clock);
    this.#names = new NameWatch(clock, 2 * options.staleAfter);
    const answered = new Answered(clock, cache.holdings, instance);
    const received = new ReceiveBudget(options.context.limits.receivingBytes);
    this.#context = { ...options.context, answered, received, manager: () => this.#manager };
  }

  /**
   * One cycle: tells all peers at once, in parallel, what is new, and takes what they have. To be called right after
   * a scan. It never rejects: what goes wrong is kept with the peer, counted, and logged when it begins and ends.
   *
   * @returns when all peers are done, or out of time.
   */
  async cycle(): Promise<void> {
    const { holdings } = this.#context.cache;
    holdings.confirm();
    await this.#newestList();
    const cycle = ++this.#cycle;
    const due = [...this.#peers.values()].filter((peer) => peer.isDue);
    await Promise.all(due.map((peer) => this.#talk(peer, cycle)));
    this.#attempted = true;
  }

  /** The command `sync`: answers another instance for as long as it stays connected. */
  readonly answer: SshCommand = async (stream, _connection, signal) => {
    const channel = openSyncChannel(stream, signal, this.#context);
    const session = new SyncSession(channel, this.#context);
    try {
      await session.serve();
    } catch (error) {
      const failure =
        error instanceof PeerError ? error : new PeerError("protocol", "it failed", { cause: error });
      channel.fail(failure);
      if (failure.reason === "closed" || this.#stopping.signal.aborted) return;
      this.#options.onFailure?.(failure.reason);
      const { reason } = failure;
      const peer = session.peer?.origin ?? "unknown";
      this.#cutOff(peer, reason, describeError(failure));
      throw failure;
    } finally {
      session.release();
    }
  };

  /**
   * A client does not take this node's host key. On a worker, which begins no exchange itself, nothing else tells of
   * an SSHPASS that is wrong there. Told once for each block of addresses, and not of too many of them: who has many
   * must not fill the log.
   */
  hostKeyRefused(address: string): void {
    const why = "it does not take this node's host key: another SSHPASS there or here, or a stranger";
    this.#cutOff(addressBlock(address), "host_key", why);
  }

  /** All peers that this node talks to. */
  statuses(): PeerStatus[] {
    return [...this.#peers.values()].map((peer) => peer.status());
  }

  /** Whether this node begins exchanges. */
  get manager(): boolean {
    return this.#manager;
  }

  /** Since when and why the peers cannot be listed, or not be reached as listed. */
  get listFailing(): ReplicationStatus["listFailing"] {
    return this.#listFailing;
  }

  /** Those that began an exchange with this node and were cut off lately. */
  cutOffs(): CutOff[] {
    return this.#cutOffs.list();
  }

  /** Names that several nodes bear, as far as this node talks to them. */
  sharedNames(): string[] {
    const own = [
      ...this.statuses().map(({ lastReason }) => lastReason),
      ...this.cutOffs().map(({ reason }) => reason),
    ];
    const shared = new Set(this.#names.shared());
    if (own.includes("same_name")) shared.add(this.#context.origin());
    return [...shared].sort();
  }

  /** Whether the first cycle is done. */
  get attempted(): boolean {
    return this.#attempted;
  }

  /** Ends all connections to peers. */
  stop(): void {
    this.#stopping.abort();
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
  }

  /** Asks for the peers, if that is not under way. What comes late counts from the next cycle on. */
  async #newestList(): Promise<void> {
    this.#listing ??= this.#listPeers().finally(() => {
      this.#listing = undefined;
    });
    if (this.#peers.size === 0) return this.#listing;
    const enough = new AbortController();
    const patience = sleep(listPatience, undefined, { ref: false, signal: enough.signal });
    await Promise.race([this.#listing, patience.catch(() => undefined)]);
    enough.abort();
  }

  #cutOff(peer: string, reason: FailureReason, error: string): void {
    if (!this.#cutOffs.note(peer, reason, error)) return;
    this.#options.logger.warn("a peer was cut off", { peer, reason, error });
  }

  async #listPeers(): Promise<void> {
    const { source, logger } = this.#options;
    try {
      const { manager, peers, problem, serviceLabels } = await source.list(this.#stopping.signal);
      if (serviceLabels !== undefined) this.#context.serviceLabels.replace(serviceLabels);
      this.#manager = manager;
      this.#take(peers);
      if (problem !== undefined) this.#listFails(problem, "there are peers that cannot be talked to");
      else if (this.#listFailing !== undefined) {
        logger.info("the list of peers is there again");
        this.#listFailing = undefined;
      }
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const what = "the list of peers cannot be had: the known ones go on being asked";
      this.#listFails(describeError(error), what);
    }
  }

  #listFails(reason: string, what: string): void {
    const since = this.#listFailing?.since ?? this.#context.clock.now();
    if (this.#listFailing === undefined) this.#options.logger.error(what, { reason });
    this.#listFailing = { since, reason };
  }

  #take(listed: readonly KnownPeer[]): void {
    if (this.#stopping.signal.aborted) return;
    const keys = new Set(listed.map(({ key }) => key));
    for (const [key, peer] of this.#peers) {
      if (keys.has(key)) continue;
      peer.close();
      this.#peers.delete(key);
    }
    const { keys: sharedKeys, timings, interval } = this.#options;
    for (const known of listed) {
      if (this.#peers.has(known.key)) {
        this.#peers.get(known.key)?.update(known);
        continue;
      }
      const peer = new Peer({ known, keys: sharedKeys, context: this.#context, timings, interval });
      this.#peers.set(known.key, peer);
    }
  }

  /** Exchanges with one peer, and again when others brought what it lacks. */
  async #talk(peer: Peer, cycle: number): Promise<void> {
    if (await peer.hasJustCalled()) return;
    for (let exchange = 1; await this.#exchange(peer); exchange++) {
      await this.#gather();
      if (exchange === exchangesPerCycle || cycle !== this.#cycle || !peer.lacks()) return;
    }
  }

  /** Waits until no peer is being talked to any more; not long, since one of them may be slow. */
  async #gather(): Promise<void> {
    const until = performance.now() + gatherMs;
    while (performance.now() < until && [...this.#peers.values()].some((peer) => peer.running)) {
      await sleep(10, undefined, { ref: false });
    }
  }

  async #exchange(peer: Peer): Promise<boolean> {
    // Two cycles may have found it due at the same moment.
    if (!peer.isDue) return false;
    const { logger, onFailure } = this.#options;
    const before = peer.status();
    try {
      await peer.exchange();
      this.#watchName(peer);
      if (peer.isSelf && before.state !== "self")
        logger.debug("a peer is this node itself", { peer: peer.title });
      else if (before.state !== "connected")
        logger.info("in touch with a peer", { peer: peer.title, node: peer.identity?.origin });
      return !peer.isSelf;
    } catch (error) {
      const { reason } = error as PeerError;
      if (peer.closed) return false;
      onFailure?.(reason);
      void this.#retry(peer);
      if (before.lastReason !== reason) {
        logger.warn("the exchange with a peer failed", {
          peer: peer.title,
          ...(before.node === undefined ? {} : { node: before.node }),
          reason,
          error: describeError(error),
        });
      }
      return false;
    }
  }

  /** Two nodes of one name take turns in what is held under it: that must be told, as neither may know of the other. */
  #watchName({ identity }: Peer): void {
    if (identity === undefined) return;
    const { origin, instance } = identity;
    const told = this.#names.shared().includes(origin);
    if (!this.#names.saw(origin, instance)) return;
    this.#options.onFailure?.("same_name");
    if (told) return;
    const peers = this.statuses().flatMap(({ node, address }) => (node === origin ? [address] : []));
    this.#options.logger.error(
      "several nodes bear one name, so each takes the other's metrics away: give each a hostname of its own",
      { name: origin, peers: peers.join(", ") },
    );
  }

  /** Tries a peer that was away again before the next cycle, should its time come. */
  async #retry(peer: Peer): Promise<void> {
    if (this.#waiting.has(peer)) return;
    this.#waiting.add(peer);
    const { signal } = this.#stopping;
    // More than once: a timer may come some milliseconds too early, and a cycle may have tried meanwhile.
    for (let wait = peer.retryMs; wait !== undefined && wait > 0 && !peer.closed; wait = peer.retryMs) {
      await sleep(Math.ceil(wait), undefined, { ref: false, signal }).catch(() => undefined);
    }
    this.#waiting.delete(peer);
    if (peer.retryMs !== undefined && !signal.aborted && peer.isDue) await this.#talk(peer, this.#cycle);
  }
}
