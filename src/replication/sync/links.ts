import { PeerError } from "../peer-error.js";
import type { SyncContext } from "./context.js";
import { Follows } from "./follows.js";
import { Instances } from "./instances.js";
import type { Link, LinkOwner } from "./link.js";
import { OwnName } from "./own-name.js";

/** Milliseconds that two links to nodes of one name must be open before the name counts as shared. */
const sharedNameMs = 10_000;

/** All links of this node. */
export class Links implements LinkOwner {
  readonly context: SyncContext;
  readonly ownName: OwnName;
  readonly follows: Follows;
  readonly instances: Instances;
  /** The senders of this node's own feed. */
  readonly ownFollowers = new Set<object>();
  /** Including links whose peer has not introduced itself yet. */
  readonly #all = new Set<Link>();
  readonly #open = new Set<Link>();
  readonly #removeListener: () => void;
  #wasManager: boolean;

  constructor(context: SyncContext) {
    this.context = context;
    this.ownName = new OwnName(context);
    this.follows = new Follows(context, this.ownName, this.#open);
    this.instances = new Instances(context, this.#open);
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
    if (this.#open.has(link)) this.follows.added(link);
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
    const { clock, origin } = this.context;
    const instances = new Map<string, Set<string>>();
    for (const { peer, openedAt } of this.#open) {
      if (peer === undefined || clock.monotonic() - openedAt < sharedNameMs) continue;
      instances.set(peer.origin, (instances.get(peer.origin) ?? new Set()).add(peer.instance));
    }
    const shared = [...instances].flatMap(([name, { size }]) => (size > 1 ? [name] : []));
    return (this.ownName.isShared ? [...shared, origin] : shared).sort();
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
