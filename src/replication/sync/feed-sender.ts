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
  /** Origins that may have something to send. */
  readonly #due = new Set<string>();
  readonly #requested: { readonly origin: string; readonly number: number }[] = [];
  #sendingPublications = false;
  #sendingScrapes = false;

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
    this.#due.add(origin);
    if (!this.#sendingPublications) this.#sendPublications().catch((error) => this.#link.fail(error));
  }

  /** @throws PeerError `limit` */
  fetch({ origin, numbers }: MessageOf<"fetch">): void {
    const { context } = this.#link;
    if (this.#requested.length + numbers.length > maxRequested) {
      throw new PeerError("limit", `more than ${maxRequested} scrapes requested`);
    }
    const scrapes = context.cache.feed(origin)?.scrapes;
    const sizeOf = (number: number) => scrapes?.gzipOf(number)?.length ?? 0;
    const smallestFirst = numbers.toSorted((a, b) => sizeOf(a) - sizeOf(b));
    this.#requested.push(...smallestFirst.map((number) => ({ origin, number })));
    if (!this.#sendingScrapes) this.#sendScrapes().catch((error) => this.#link.fail(error));
  }

  stop(): void {
    this.#ownFollowers.delete(this);
    this.#followed.clear();
    this.#requested.length = 0;
  }

  async #sendPublications(): Promise<void> {
    this.#sendingPublications = true;
    for (const origin of this.#due) {
      this.#due.delete(origin);
      await this.#sendFeed(origin);
    }
    // Set synchronously: whatever becomes due from here on starts a new run.
    this.#sendingPublications = false;
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

  async #sendScrapes(): Promise<void> {
    const { channels, context } = this.#link;
    this.#sendingScrapes = true;
    while (this.#requested.length > 0) {
      const { members, absent } = this.#nextGroup();
      for (const [origin, numbers] of absent) await channels.send({ kind: "absent", origin, numbers });
      if (members.length === 0) continue;
      await channels.sendScrapes(members);
      context.onScrapes("out", members.length);
    }
    this.#sendingScrapes = false;
  }

  #nextGroup(): { members: TarMember[]; absent: Map<string, number[]> } {
    const members: TarMember[] = [];
    const absent = new Map<string, number[]>();
    const mtime = this.#link.context.clock.now();
    let count = 0;
    for (let bytes = 0; count < this.#requested.length && count < maxFetched && bytes < groupBytes; count++) {
      const { origin, number } = this.#requested[count]!;
      const feed = this.#link.permits(origin, "batch") ? this.#link.context.cache.feed(origin) : undefined;
      const member = feed?.scrapeMember(number, mtime);
      if (member === undefined) {
        absent.set(origin, [...(absent.get(origin) ?? []), number]);
        continue;
      }
      members.push(member);
      bytes += member.body.length;
    }
    this.#requested.splice(0, count);
    return { members, absent };
  }
}
