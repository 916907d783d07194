import { PeerError } from "../peer-error.js";
import type { SyncContext } from "./context.js";
import type { FeedSender } from "./feed-sender.js";
import { Follows } from "./follows.js";
import type { Link, LinkOwner } from "./link.js";
import { OwnName } from "./own-name.js";

/** Milliseconds for which two nodes must use one name: more than a link to a dead process stays open. */
const sharedNameMs = 15_000;

/** All links of this node. */
export class Links implements LinkOwner {
  readonly context: SyncContext;
  readonly ownName: OwnName;
  readonly follows: Follows;
  /** The senders of this node's own feed. */
  readonly ownFollowers = new Set<FeedSender>();
  /** Including links whose peer has not introduced itself yet. */
  readonly #all = new Set<Link>();
  readonly #open = new Set<Link>();
  readonly #removeListener: () => void;
  #wasManager: boolean;

  constructor(context: SyncContext) {
    this.context = context;
    this.ownName = new OwnName(context);
    this.follows = new Follows(context, this.ownName, this.#open);
    this.#wasManager = context.manager();
    this.#removeListener = context.cache.addListener({
      onComplete: ({ publication }) => {
        for (const link of this.#open) link.completed(publication.origin);
      },
      onForgotten: (origin) => this.follows.forgotten(origin),
    });
  }

  /** The links whose peer is known. */
  open(): ReadonlySet<Link> {
    return this.#open;
  }

  add(link: Link): void {
    this.#all.add(link);
  }

  /** The peer of a link introduced itself. @throws PeerError if the link is not needed */
  greeted(link: Link): void {
    const { replicateTo, manager, instance } = this.context;
    if (link.peer?.instance === instance) throw new PeerError("closed", "the peer is this node");
    if (replicateTo === "managers" && !manager() && link.peer?.manager === false) {
      throw new PeerError("closed", "workers have no links to each other with REPLICATE_TO=managers");
    }
    this.#open.add(link);
    this.#closeDuplicates(link);
    this.follows.added(link);
  }

  remove(link: Link): void {
    this.#all.delete(link);
    if (this.#open.delete(link)) this.follows.removed(link);
  }

  /** Called every second. */
  tick(): void {
    const { clock, cache, manager, replicateTo } = this.context;
    const now = clock.monotonic();
    cache.expire();
    this.ownName.tick();
    this.context.arriving.tick();
    const roleChanged = this.#wasManager !== manager();
    this.#wasManager = manager();
    for (const link of this.#all) {
      if (roleChanged) link.sendHello();
      link.tick(now);
    }
    // As a worker, this node received only part of the publications.
    if (roleChanged && replicateTo === "managers" && manager()) cache.forgetOthers();
    this.follows.tick();
  }

  /** Names that several nodes share. Detected only for nodes that this node has links to. */
  sharedNames(): string[] {
    const names = new Set<string>();
    for (const link of this.#open)
      if (link.peer !== undefined && this.namesake(link) !== undefined) names.add(link.peer.origin);
    if (this.ownName.isShared) names.add(this.context.origin);
    return [...names].sort();
  }

  /**
   * The instance id of another node with the name of a link's peer: it has a link to this node too, or another peer
   * recently received its publications.
   */
  namesake({ peer, openedAt }: Link): string | undefined {
    if (peer === undefined) return undefined;
    const { origin, instance } = peer;
    const now = this.context.clock.monotonic();
    for (const { peer: other, openedAt: otherOpenedAt, have } of this.#open) {
      const isOther = other?.origin === origin && other.instance !== instance;
      if (isOther && now - Math.max(openedAt, otherOpenedAt) >= sharedNameMs) return other.instance;
      const held = have.get(origin);
      const isForeign = held?.instance !== undefined && held.instance !== instance;
      if (isForeign && held.newestAt - openedAt >= sharedNameMs) return held.instance;
    }
    return undefined;
  }

  /** The instance ids of all linked peers, by their names. */
  processes(): Map<string, string> {
    const processes = new Map<string, string>();
    for (const { peer } of this.#open) if (peer !== undefined) processes.set(peer.origin, peer.instance);
    return processes;
  }

  stop(): void {
    this.#removeListener();
    for (const link of this.#all) link.fail(new PeerError("closed", "this node is stopping"));
  }

  /**
   * If there are several links to one process, both ends keep the one that the lower instance id dialled. Each end
   * closes only links that it dialled itself.
   */
  #closeDuplicates({ peer }: Link): void {
    const all = [...this.#open].filter((link) => link.peer?.instance === peer?.instance);
    if (all.length < 2 || peer === undefined) return;
    const isLower = this.context.instance < peer.instance;
    const kept = all.find(({ dialled }) => dialled === isLower);
    if (kept === undefined) return;
    for (const link of all)
      if (link !== kept && link.dialled) link.fail(new PeerError("closed", "duplicate link"));
  }
}
