import { setMaxListeners } from "node:events";
import { describeError } from "../../errors.js";
import type { Logger } from "../../logging.js";
import type { PeerStatus, ReplicationStatus } from "../../model/replication-status.js";
import type { FailureReason, PeerError } from "../peer-error.js";
import type { SshLink } from "../ssh/client.js";
import type { Link } from "../sync/link.js";
import type { Links } from "../sync/links.js";
import { Peer } from "./peer.js";
import type { PeerSource } from "./peer-source.js";

export interface DialerOptions {
  readonly source: PeerSource;
  readonly links: Links;
  readonly logger: Logger;
  /** Connects to an address. @throws PeerError */
  readonly connect: (address: Peer["address"], signal: AbortSignal) => Promise<SshLink>;
  /** Opens the channels of a link on a connection. @throws PeerError */
  readonly openLink: (connection: SshLink) => Promise<Link>;
  /** Called for each failure, for the metrics. */
  readonly onFailure: (reason: FailureReason) => void;
}

const maxHandshakes = 10;
/** Milliseconds that the task with the higher id waits before it dials. */
const dialDelayMs = 5000;

/** Keeps a link to every peer: dials peers without one. */
export class Dialer {
  readonly #options: DialerOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #listing: Promise<void> | undefined;
  #listFailing: ReplicationStatus["listFailing"];
  #listed = false;
  #attempted = false;

  constructor(options: DialerOptions) {
    this.#options = options;
    // Every peer that is being dialled listens.
    setMaxListeners(0, this.#stopping.signal);
  }

  /** Since when and why the peers cannot be listed, or some of them cannot be dialled. */
  get listFailing(): ReplicationStatus["listFailing"] {
    return this.#listFailing;
  }

  /** Whether each peer of the first list has been dialled, or has dialled this node. */
  get attempted(): boolean {
    return this.#attempted;
  }

  statuses(): PeerStatus[] {
    const now = this.#now;
    return [...this.#peers.values()].map((peer) => peer.status(this.#linkOf(peer), now));
  }

  /** Updates the list of peers. A failure keeps the known ones and is reported. */
  refresh(): Promise<void> {
    this.#listing ??= this.#list().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  /** Called every second: dials the peers that have no link. */
  tick(): void {
    const now = this.#now;
    let handshakes = [...this.#peers.values()].filter(({ dialling }) => dialling).length;
    let allAttempted = this.#listed;
    for (const peer of this.#peers.values()) {
      const link = this.#linkOf(peer);
      if (link !== undefined) peer.unlinkedSince = now;
      else if (handshakes < maxHandshakes && peer.isDue(now) && this.#mayDial(peer, now)) {
        handshakes++;
        this.#dial(peer);
      }
      const isDone =
        link !== undefined || peer.error !== undefined || peer.isSelf(now) || this.#waitsForManagers;
      allAttempted &&= isDone;
    }
    this.#attempted ||= allAttempted;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
    await Promise.all([...this.#running, this.#listing]);
  }

  async #list(): Promise<void> {
    const { source, logger, links } = this.#options;
    try {
      const { peers, problem } = await source.list(this.#stopping.signal);
      const keys = new Set(peers.map(({ key }) => key));
      for (const [key, peer] of this.#peers) {
        if (keys.has(key)) continue;
        peer.close();
        this.#peers.delete(key);
      }
      for (const known of peers) {
        const peer = this.#peers.get(known.key);
        if (peer === undefined)
          this.#peers.set(known.key, new Peer(known, links.context.interval, this.#now));
        else peer.update(known);
      }
      this.#listed = true;
      if (problem !== undefined) this.#listFailed("peers not reachable", problem);
      else if (this.#listFailing !== undefined) {
        this.#listFailing = undefined;
        logger.info("peer list recovered");
      }
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#listFailed("peers not listed: keeping the known ones", describeError(error));
    }
    this.tick();
  }

  #listFailed(message: string, reason: string): void {
    const { logger, links } = this.#options;
    const since = this.#listFailing?.since ?? links.context.clock.now();
    if (this.#listFailing === undefined) logger.error(message, { reason });
    this.#listFailing = { since, reason };
  }

  /** The task with the lower id dials; the other dials only after a delay. */
  #mayDial(peer: Peer, now: number): boolean {
    const { task } = this.#options.source;
    if (this.#stopping.signal.aborted || this.#waitsForManagers) return false;
    return task === undefined || task < peer.known.key || now - peer.unlinkedSince >= dialDelayMs;
  }

  get #waitsForManagers(): boolean {
    const { replicateTo, manager } = this.#options.links.context;
    return replicateTo === "managers" && !manager();
  }

  #dial(peer: Peer): void {
    peer.dialling = true;
    const run = this.#run(peer).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #run(peer: Peer): Promise<void> {
    const { connect, openLink, links, logger } = this.#options;
    const { title } = peer.known;
    let connection: SshLink | undefined;
    let link: Link | undefined;
    try {
      connection = await connect(peer.address, this.#stopping.signal);
      peer.connected(connection);
      if (this.#stopping.signal.aborted || this.#peers.get(peer.known.key) !== peer) return;
      link = await openLink(connection);
      const ended = link.run();
      await Promise.race([link.greeted, ended]);
      peer.dialling = false;
      const isSelf = link.peer?.instance === links.context.instance;
      if (!isSelf && peer.linked(link))
        logger.info("peer connected", { peer: title, node: link.peer?.origin });
      await ended;
    } catch (error) {
      if (link?.peer?.instance === links.context.instance) {
        peer.foundSelf(this.#now);
        logger.debug("peer is this node", { peer: title });
      } else if (this.#peers.get(peer.known.key) === peer && this.#linkOf(peer) === undefined) {
        this.#failed(peer, error as PeerError);
      }
    } finally {
      peer.dialling = false;
      // First, what was written leaves: by this node's `hello`, the peer detects a shared name.
      setImmediate(() => connection?.close());
      peer.unlinkedSince = this.#now;
    }
  }

  #failed(peer: Peer, error: PeerError): void {
    const { logger, onFailure } = this.#options;
    onFailure(error.reason);
    if (!peer.failed(error, this.#now)) return;
    const { title: name } = peer.known;
    logger.warn("link to peer failed", { peer: name, reason: error.reason, error: describeError(error) });
  }

  #linkOf(peer: Peer): Link | undefined {
    for (const link of this.#options.links.open()) if (peer.isLinkedBy(link)) return link;
    return undefined;
  }

  get #now(): number {
    return this.#options.links.context.clock.monotonic();
  }
}
