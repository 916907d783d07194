import { once } from "node:events";
import { TokenBucket } from "../../model/token-bucket.js";
import { PeerError } from "../peer-error.js";
import type { Envelope, LinkChannels } from "../wire/channel.js";
import { type Message, type MessageOf, maxOrigins, protocolVersion } from "../wire/messages.js";
import type { LinkEnd, PeerHolding, SyncContext } from "./context.js";
import { FeedReceiver } from "./feed-receiver.js";
import { FeedSender } from "./feed-sender.js";
import type { OwnName } from "./own-name.js";

/** Rate of messages other than publications. */
const requestRate = { capacity: 1000, perSecond: 200 };

/** All links of this node: see `links.ts`. */
export interface LinkOwner {
  readonly context: SyncContext;
  readonly ownName: OwnName;
  readonly ownFollowers: Set<FeedSender>;
  namesake(link: Link): string | undefined;
  processes(): ReadonlyMap<string, string>;
  readonly follows: {
    refused(link: Link, origin: string): void;
    haveArrived(link: Link): Promise<void>;
    isFollowed(link: Link, origin: string): boolean;
  };
  add(link: Link): void;
  greeted(link: Link): void;
  remove(link: Link): void;
}

/** A link to a peer. Both ends behave alike, regardless of which one dialled. */
export class Link implements LinkEnd {
  readonly channels: LinkChannels;
  readonly context: SyncContext;
  /** Whether this node dialled. */
  readonly dialled: boolean;
  /** On the monotonic clock, in milliseconds. */
  readonly openedAt: number;
  readonly have = new Map<string, PeerHolding>();
  readonly sender: FeedSender;
  readonly receiver: FeedReceiver;
  /** Resolves when the `hello` of the peer has arrived. */
  readonly greeted: Promise<void>;
  /** Wall clock time of the last message. */
  lastMessage: number | undefined;
  readonly #links: LinkOwner;
  readonly #requests: TokenBucket;
  readonly #ended = new AbortController();
  #resolveGreeted: () => void = () => undefined;
  #peer: MessageOf<"hello"> | undefined;
  #lastHeard: number;
  /** Whether this node processes a message and therefore reads no other. */
  #isBusy = false;
  #lastHave = Number.NEGATIVE_INFINITY;
  /** The origins of the last `have` that was sent. */
  #announced: ReadonlySet<string> = new Set();

  constructor(channels: LinkChannels, dialled: boolean, links: LinkOwner) {
    this.channels = channels;
    this.context = links.context;
    this.dialled = dialled;
    this.#links = links;
    this.openedAt = links.context.clock.monotonic();
    this.#lastHeard = this.openedAt;
    this.#requests = new TokenBucket(requestRate, this.openedAt);
    this.greeted = new Promise((resolve) => {
      this.#resolveGreeted = resolve;
    });
    this.receiver = new FeedReceiver(this, links.ownName);
    this.sender = new FeedSender(this, links.ownFollowers);
  }

  get peer(): MessageOf<"hello"> | undefined {
    return this.#peer;
  }

  /** Runs until the link fails. @throws PeerError */
  async run(): Promise<never> {
    const { signal } = this.#ended;
    this.#links.add(this);
    try {
      signal.throwIfAborted();
      this.sendHello();
      const ended = once(signal, "abort").then(() => Promise.reject(signal.reason));
      return await Promise.race([ended, this.#receiveMessages(), this.#receiveScrapes()]);
    } catch (error) {
      const reason =
        error instanceof PeerError ? error : new PeerError("protocol", "link failed", { cause: error });
      this.fail(reason);
      throw reason;
    } finally {
      this.#links.remove(this);
      this.sender.stop();
      this.receiver.stop();
    }
  }

  fail(error: unknown): void {
    this.#ended.abort(error);
  }

  /** Sends `hello`: as the first message, and when the role of this node changes. */
  sendHello(): void {
    const { origin, instance, manager, task } = this.context;
    const identity = { origin, instance, ...(task === undefined ? {} : { task }) };
    this.send({ kind: "hello", protocol: protocolVersion, manager: manager(), ...identity });
  }

  /** A publication is complete in the cache. An origin unknown to the peer is announced at the next tick. */
  completed(origin: string): void {
    this.sender.notify(origin);
    if (!this.#announced.has(origin)) this.#lastHave = Number.NEGATIVE_INFINITY;
  }

  send(message: Message): void {
    this.channels.send(message).catch((error) => this.fail(error));
  }

  /** Called every second: sends `have`, and closes a link that is silent or too slow. */
  tick(now: number): void {
    const { silence, have } = this.context.timeouts;
    try {
      this.receiver.checkTime();
      if (!this.#isBusy && !this.channels.isWaiting && now - this.#lastHeard > silence) {
        throw new PeerError("timeout", `no message from the peer for ${silence / 1000} s`);
      }
      if (this.#peer !== undefined && now - this.#lastHave >= have) this.#sendHave(now);
    } catch (error) {
      this.fail(error);
    }
  }

  async #receiveMessages(): Promise<never> {
    for await (const envelope of this.channels.messages()) {
      if (this.#ended.signal.aborted) break;
      this.#lastHeard = this.context.clock.monotonic();
      this.lastMessage = this.context.clock.now();
      this.#isBusy = true;
      await this.#receive(envelope);
      this.#isBusy = false;
      this.#lastHeard = this.context.clock.monotonic();
    }
    throw new PeerError("closed", "peer closed the connection");
  }

  async #receiveScrapes(): Promise<never> {
    const arriving = this.channels.scrapes(
      (header) => this.receiver.accept(header),
      () => this.receiver.bytesArrived(),
    );
    for await (const member of arriving) this.receiver.scrape(member);
    throw new PeerError("closed", "peer closed the connection");
  }

  async #receive({ message, body }: Envelope): Promise<void> {
    if (message.kind !== "publication" && !this.#requests.take(this.context.clock.monotonic())) {
      throw new PeerError("limit", "too many requests");
    }
    if (message.kind === "hello") return this.#greet(message);
    if (this.#peer === undefined) throw new PeerError("protocol", `${message.kind} before hello`);
    if (message.kind === "publication") await this.receiver.publication(message, body);
    else if (message.kind === "have") await this.#takeHave(message);
    else if (message.kind === "follow") {
      if (!this.sender.follow(message.origin, message.above))
        this.send({ kind: "refuse", origin: message.origin });
    } else if (message.kind === "unfollow") this.sender.unfollow(message.origin);
    else if (message.kind === "refuse") this.#links.follows.refused(this, message.origin);
    else if (message.kind === "fetch") this.sender.fetch(message);
    else this.receiver.absent(message);
  }

  #greet(hello: MessageOf<"hello">): void {
    const isFirst = this.#peer === undefined;
    const { origin, instance } = this.context;
    this.#peer = hello;
    this.#resolveGreeted();
    if (hello.instance !== instance && hello.origin === origin) {
      this.#links.ownName.shared(hello.instance);
      throw new PeerError(
        "same_name",
        `peer has the same name as this node (${origin}): give each node its own hostname`,
      );
    }
    if (!isFirst) return;
    this.#links.greeted(this);
    this.#sendHave(this.context.clock.monotonic());
  }

  async #takeHave({ origins, namesake }: MessageOf<"have">): Promise<void> {
    const now = this.context.clock.monotonic();
    this.have.clear();
    for (const [origin, number, age, instance] of origins)
      this.have.set(origin, { number, newestAt: now - age, instance });
    if (namesake !== undefined) this.#links.ownName.shared(namesake);
    await this.#links.follows.haveArrived(this);
  }

  #sendHave(now: number): void {
    this.#lastHave = now;
    const origins: MessageOf<"have">["origins"] = [];
    const processes = this.#links.processes();
    for (const { origin, offered, newestAt, swarmDocument, instance } of this.context.cache.feeds()) {
      const process = processes.get(origin) ?? instance;
      const permitted = this.permits(origin, "batch") ? offered : (swarmDocument?.publication.number ?? 0);
      if (permitted > 0 && origins.length < maxOrigins)
        origins.push([origin, permitted, Math.max(0, now - newestAt), process]);
    }
    this.#announced = new Set(origins.map(([origin]) => origin));
    const namesake = this.#links.namesake(this);
    this.send({ kind: "have", origins, ...(namesake === undefined ? {} : { namesake }) });
  }

  postpone(origin: string): void {
    if (!this.isFollowed(origin)) return;
    this.send({ kind: "unfollow", origin });
    this.#links.follows.refused(this, origin);
  }

  isFollowed(origin: string): boolean {
    return this.#links.follows.isFollowed(this, origin);
  }

  /** With REPLICATE_TO=managers, managers send a worker only swarm documents and publications of its own name. */
  permits(origin: string, kind: "batch" | "targets" | "swarm"): boolean {
    const { replicateTo } = this.context;
    if (replicateTo === "all" || this.#peer?.manager !== false) return true;
    return kind === "swarm" || origin === this.#peer.origin;
  }
}
