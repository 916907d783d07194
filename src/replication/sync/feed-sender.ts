import type { TarMember } from "../../archive/tar-writer.js";
import { PeerError } from "../peer-error.js";
import { type MessageOf, maxFetched } from "../wire/messages.js";
import type { LinkEnd } from "./context.js";

/** Maximum number of nodes that follow this node's own feed on a direct link. */
export const maxFollowers = 32;
/** Maximum number of scrapes that a peer has requested and not received. */
const maxRequested = 10 * maxFetched;
/** Approximate size of a group of scrapes. */
const groupBytes = 256 * 1024;

/** Sends the publications that a peer follows and the scrapes that it fetches. */
export class FeedSender {
  readonly #link: LinkEnd;
  /** The senders of this node's own feed. */
  readonly #ownFollowers: Set<FeedSender>;
  /** By origin, the number up to which publications were sent. */
  readonly #followed = new Map<string, number>();
  /** The number of scrapes that were requested and not sent yet. */
  #requested = 0;
  #publications = Promise.resolve();
  #scrapes = Promise.resolve();

  constructor(link: LinkEnd, ownFollowers: Set<FeedSender>) {
    this.#link = link;
    this.#ownFollowers = ownFollowers;
  }

  /** @returns false if this node has enough followers. */
  follow(origin: string, above: number): boolean {
    if (origin === this.#link.context.origin) {
      if (!this.#ownFollowers.has(this) && this.#ownFollowers.size >= maxFollowers) return false;
      this.#ownFollowers.add(this);
    }
    this.#followed.set(origin, above);
    this.notify(origin);
    return true;
  }

  unfollow(origin: string): void {
    this.#followed.delete(origin);
    if (origin === this.#link.context.origin) this.#ownFollowers.delete(this);
  }

  /** A publication of an origin is complete in the cache. */
  notify(origin: string): void {
    if (!this.#followed.has(origin)) return;
    this.#publications = this.#publications
      .then(() => this.#sendFeed(origin))
      .catch((error) => this.#link.fail(error));
  }

  /** @throws PeerError `limit` */
  fetch({ origin, numbers }: MessageOf<"fetch">): void {
    this.#requested += numbers.length;
    if (this.#requested > maxRequested) {
      throw new PeerError("limit", `more than ${maxRequested} scrapes requested`);
    }
    this.#scrapes = this.#scrapes
      .then(() => this.#sendScrapes(origin, numbers))
      .catch((error) => this.#link.fail(error));
  }

  stop(): void {
    this.#ownFollowers.delete(this);
    this.#followed.clear();
  }

  async #sendFeed(origin: string): Promise<void> {
    const { channels, context, peer } = this.#link;
    let sent = this.#followed.get(origin);
    if (sent === undefined) return;
    for (const { publication, bytes, at } of context.cache.feed(origin)?.publicationsAbove(sent) ?? []) {
      const { number, kind, instance } = publication;
      // The peer has unfollowed, or follows from another number, which is handled separately.
      if (this.#followed.get(origin) !== sent) return;
      this.#followed.set(origin, number);
      sent = number;
      if (instance === peer?.instance || !this.#link.permits(origin, kind)) continue;
      const age = Math.max(0, context.clock.monotonic() - at);
      await channels.send({ kind: "publication", origin, number, age }, bytes);
    }
  }

  /** Sends scrapes, smallest first, then the numbers of those that this node does not have. */
  async #sendScrapes(origin: string, numbers: readonly number[]): Promise<void> {
    const { channels, context } = this.#link;
    const feed = this.#link.permits(origin, "batch") ? context.cache.feed(origin) : undefined;
    const sizeOf = (number: number) => feed?.scrapes.gzipOf(number)?.length ?? 0;
    const absent: number[] = [];
    let group: TarMember[] = [];
    let bytes = 0;
    const sendGroup = async () => {
      await channels.sendScrapes(group);
      context.onScrapes("out", group.length);
      group = [];
      bytes = 0;
    };
    for (const number of numbers.toSorted((a, b) => sizeOf(a) - sizeOf(b))) {
      const member = feed?.scrapeMember(number, context.clock.now());
      if (member === undefined) absent.push(number);
      else {
        group.push(member);
        bytes += member.body.length;
      }
      if (bytes >= groupBytes) await sendGroup();
    }
    if (group.length > 0) await sendGroup();
    if (absent.length > 0) await channels.send({ kind: "absent", origin, numbers: absent });
    this.#requested -= numbers.length;
  }
}
