import type { Steps } from "../../exposition/steps.js";
import type { SyncContext } from "./context.js";
import type { Link } from "./link.js";
import type { OwnName } from "./own-name.js";

/** Milliseconds for which a link is avoided for an origin that the peer refused or sent too late. */
const avoidMs = 60_000;

/** Origins of a `have` that are compared per step. */
const originsPerStep = 20;

/** How an origin is followed. */
class Follow {
  link: Link | undefined;
  /** Links whose peers have more than this node: a number that this node lacks, and since when. */
  readonly ahead = new Map<Link, { readonly number: number; readonly since: number }>();
  /** Links whose peer refused, or that are direct and were too slow, and until when they are not used. */
  readonly avoided = new Map<Link, number>();
}

/**
 * Decides on which link to follow each origin: the direct one, otherwise one that has more than this node. Switches if
 * another link has had more for 10 s, or if the peer refuses.
 */
export class Follows {
  readonly #context: SyncContext;
  readonly #ownName: OwnName;
  readonly #open: ReadonlySet<Link>;
  readonly #follows = new Map<string, Follow>();

  /** @param open the links whose peer is known. */
  constructor(context: SyncContext, ownName: OwnName, open: ReadonlySet<Link>) {
    this.#context = context;
    this.#ownName = ownName;
    this.#open = open;
  }

  /** A link is ready. */
  added(link: Link): void {
    if (link.peer !== undefined) this.#choose(link.peer.origin);
  }

  /** A link failed: its origins are followed on other links. */
  removed(link: Link): void {
    for (const [origin, follow] of this.#follows) {
      follow.ahead.delete(link);
      follow.avoided.delete(link);
      if (follow.link !== link) continue;
      follow.link = undefined;
      // A slow link is better than none.
      follow.avoided.clear();
      this.#choose(origin);
    }
  }

  /** A peer refused, because it has enough followers, or this node has no memory for what it sends. */
  refused(link: Link, origin: string): void {
    const follow = this.#follows.get(origin);
    if (follow?.link !== link) return;
    follow.link = undefined;
    follow.avoided.set(link, this.#now + avoidMs);
    this.#choose(origin);
  }

  isFollowed(link: Link, origin: string): boolean {
    return this.#follows.get(origin)?.link === link;
  }

  /** The cache has forgotten an origin. If it publishes again, all its publications are needed, not only new ones. */
  forgotten(origin: string): void {
    const follow = this.#follows.get(origin);
    if (follow?.link === undefined) return;
    follow.link.send({ kind: "unfollow", origin });
    follow.link = undefined;
  }

  /** A peer sent `have`. */
  async haveArrived(link: Link): Promise<void> {
    await this.#context.scheduler.run(this.#compare(link));
  }

  *#compare(link: Link): Steps<void> {
    const own = link.have.get(this.#context.origin);
    if (own !== undefined) this.#ownName.noticed(own.number);
    for (const [origin, { ahead }] of this.#follows) if (!link.have.has(origin)) ahead.delete(link);
    let count = 0;
    for (const [origin, { number }] of link.have) {
      if (++count % originsPerStep === 0) yield;
      if (!this.#open.has(link)) return;
      const { ahead } = this.#followOf(origin);
      const held = this.#heldOf(origin);
      const before = ahead.get(link);
      if (number <= held) ahead.delete(link);
      else if (before === undefined || before.number <= held) ahead.set(link, { number, since: this.#now });
      if (number > held && this.#isAlive(origin, link)) this.#choose(origin);
    }
  }

  /** Forgets origins that are no longer known. */
  tick(): void {
    const { cache, origin: own } = this.#context;
    for (const [origin, follow] of this.#follows) {
      for (const [link, until] of follow.avoided) if (until <= this.#now) follow.avoided.delete(link);
      if (
        origin !== own &&
        cache.feed(origin) === undefined &&
        follow.link === undefined &&
        follow.ahead.size === 0
      ) {
        this.#follows.delete(origin);
      }
    }
  }

  #choose(origin: string): void {
    const follow = this.#followOf(origin);
    const best = this.#best(origin, follow);
    if (best === undefined || best === follow.link) return;
    follow.link?.send({ kind: "unfollow", origin });
    follow.link = best;
    best.send({ kind: "follow", origin, above: this.#heldOf(origin) });
    best.receiver.fetchMissing(origin);
  }

  #best(origin: string, { link: current, ahead, avoided }: Follow): Link | undefined {
    const direct = [...this.#open].find((link) => link.peer?.origin === origin && !avoided.has(link));
    const candidates = [...ahead].filter(([link]) => !avoided.has(link) && this.#isAlive(origin, link));
    if (current === undefined) {
      const most = candidates.sort(([, a], [, b]) => b.number - a.number)[0]?.[0];
      return direct ?? most;
    }
    const delivers = current.have.get(origin)?.number ?? 0;
    const overtaking = candidates.find(
      ([link, { number, since }]) =>
        link !== current && number > delivers && this.#now - since >= this.#context.timeouts.ahead,
    )?.[0];
    const isDirect = current.peer?.origin === origin;
    // Otherwise, it would be preferred again.
    if (overtaking !== undefined && isDirect) avoided.set(current, this.#now + avoidMs);
    if (overtaking !== undefined || isDirect) return overtaking ?? current;
    return direct ?? current;
  }

  /** Whether an origin is known, or a peer has recent publications of it. A silent origin is not learned again. */
  #isAlive(origin: string, link: Link): boolean {
    const { cache, history } = this.#context;
    const newestAt = link.have.get(origin)?.newestAt ?? Number.NEGATIVE_INFINITY;
    return cache.feed(origin) !== undefined || newestAt >= this.#now - history * 1000;
  }

  #followOf(origin: string): Follow {
    const follow = this.#follows.get(origin) ?? new Follow();
    this.#follows.set(origin, follow);
    return follow;
  }

  /** The number from which to follow an origin; for this node's own name, that of earlier processes. */
  #heldOf(origin: string): number {
    const { cache, origin: own } = this.#context;
    return origin === own ? this.#ownName.adopted : (cache.feed(origin)?.held ?? 0);
  }

  get #now(): number {
    return this.#context.clock.monotonic();
  }
}
