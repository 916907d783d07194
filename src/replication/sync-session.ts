import { setImmediate as yieldToOthers } from "node:timers/promises";
import { TokenBucket } from "../model/token-bucket.js";
import { compareVersions, noVersion, type Version } from "../model/version.js";
import { batchesOf, decodeBatch, encodeBatch } from "./batch.js";
import { checkGzip } from "./check-gzip.js";
import { entryFrom } from "./entry-metadata.js";
import type { FrameChannel } from "./frame-channel.js";
import { Intake } from "./intake.js";
import {
  encodeMessage,
  type HoldingTuple,
  inflateMessage,
  type Message,
  type MessageOf,
  parseMessage,
  type Section,
} from "./messages.js";
import { PeerError } from "./peer-error.js";
import { planExchange, type Side } from "./planner.js";
import { type ReceiverState, type SectionToSend, sectionFor } from "./section.js";
import { countSequences } from "./sequence-list.js";
import type { SyncContext } from "./sync-context.js";

/** Milliseconds of checking entries after which other work gets its turn. */
const checkingMs = 10;
/** Messages that the other end may send to ask or tell, at once and then a second. */
const questionRate = [60, 10] as const;

/** What is known of the other end. */
export interface PeerIdentity {
  readonly instance: string;
  readonly origin: string;
}

/** One end of a `sync` channel: begins exchanges, or answers them. Both ends send and receive sections alike. */
export class SyncSession {
  readonly #channel: FrameChannel;
  readonly #context: SyncContext;
  #peer: PeerIdentity | undefined;
  #peerIsManager = false;
  #saidHello = false;
  readonly #messageBytes: TokenBucket;

  constructor(channel: FrameChannel, context: SyncContext) {
    this.#channel = channel;
    const { clock, limits } = context;
    this.#messageBytes = new TokenBucket(4 * limits.messageBytes, limits.messageBytes / 4, clock.monotonic());
    this.#context = context;
  }

  get peer(): PeerIdentity | undefined {
    return this.#peer;
  }

  /**
   * One exchange with the other end, begun here.
   *
   * @returns how many sections brought something new, and what the other end now holds.
   * @throws PeerError
   */
  async exchange(): Promise<{ readonly brought: number; readonly theirs: ReadonlyMap<string, Version> }> {
    const { manager } = this.#context;
    const hello: Message[] = this.#saidHello ? [] : [this.#hello()];
    await this.#send(...hello, { kind: "ask", manager: manager() });
    if (!this.#saidHello) this.#meet(await this.#expect("hello"));
    this.#saidHello = true;
    const { have, manager: theyManage, labels: theirLabels = "" } = await this.#expect("have");
    this.#peerIsManager = theyManage;
    this.#checkOrigins(have.map(([origin]) => origin));
    const theirs = new Map(
      have.map(([origin, epoch, sequence, digest]) => [origin, { epoch, sequence, digest }]),
    );

    const plan = planExchange(this.#side(), { origin: this.#peer!.origin, versions: theirs });
    if (plan.raiseOwn !== undefined) this.#raiseAbove(plan.raiseOwn);
    const sections = this.gives
      ? plan.give.flatMap((origin) => this.#sectionFor(origin, theirs.get(origin)))
      : [];
    const light = sections.filter(({ entries }) => entries.length === 0);
    const want = this.#claim(plan.want);
    const offer = sections.filter(({ entries }) => entries.length > 0).map(({ section }) => section.origin);
    const known = new Map<string, Version>(theirs);
    for (const { section } of sections) known.set(section.origin, section);
    const labels = this.#labelsFor(theirLabels);
    if (
      light.length + want.length + offer.length === 0 &&
      plan.raiseTheirs === undefined &&
      labels === undefined
    ) {
      return { brought: 0, theirs: known };
    }
    await this.#send({
      kind: "plan",
      ...(plan.raiseTheirs === undefined
        ? {}
        : { raise: [plan.raiseTheirs.epoch, plan.raiseTheirs.sequence] }),
      light: light.map(({ section }) => section),
      offer,
      want,
      ...(labels === undefined ? {} : { labels }),
    });
    const answer = await this.#expect("answer");
    this.#checkOrigins(answer.want.map(([origin]) => origin));
    const wanted = new Set(want.map(([origin]) => origin));
    let brought = this.#takeLight(answer.light, wanted);
    const sending = this.#sendSections(this.#sectionsFor(answer.want, new Set(offer)));
    const sent = answer.want.length === 0 ? sending : sending.then(() => this.#send({ kind: "sent" }));
    sent.catch(() => undefined);
    if (answer.heavy > wanted.size) throw new PeerError("protocol", "it sends more than was wanted");
    for (let section = 0; section < answer.heavy; section++) {
      brought += await this.#receiveSection(await this.#expect("section"), wanted);
    }
    await sent;
    if (answer.want.length > 0) await this.#expect("taken");
    this.#context.claims.releaseAll(this);
    return { brought, theirs: known };
  }

  /** Answers the other end for as long as it stays. @throws PeerError how it ended. */
  async serve(): Promise<never> {
    const { answered } = this.#context;
    let sending: Promise<void> = Promise.resolve();
    let wanted = new Set<string>();
    const budget = new TokenBucket(...questionRate, this.#context.clock.monotonic());
    for (;;) {
      const message = await this.#message(Number.POSITIVE_INFINITY);
      if (message.kind !== "section" && !budget.take(this.#context.clock.monotonic())) {
        throw new PeerError("limit", "it asks on and on");
      }
      if (message.kind === "hello" && this.#peer === undefined) {
        // The answer first: the other end is told by it what is wrong.
        await this.#send(this.#hello());
        this.#meet(message);
      } else if (this.#peer === undefined) {
        throw new PeerError("protocol", "it does not say who it is");
      } else if (message.kind === "ask") {
        await sending;
        this.#peerIsManager = message.manager;
        const { manager, serviceLabels } = this.#context;
        const labels = serviceLabels.digest;
        await this.#send({
          kind: "have",
          manager: manager(),
          have: this.#have(),
          ...(labels === "" ? {} : { labels }),
        });
        answered.note(this.#peer.instance);
      } else if (message.kind === "plan") {
        await sending;
        const { want, offer, light, raise, labels } = message;
        this.#checkOrigins(want.map(([origin]) => origin));
        this.#checkOrigins(offer);
        if (raise !== undefined) this.#raiseAbove({ epoch: raise[0], sequence: raise[1] });
        // A manager knows them itself.
        if (labels !== undefined && !this.#context.manager())
          this.#context.serviceLabels.replace(new Map(labels));
        this.#takeLight(light, undefined);
        const sections = this.gives ? this.#sectionsFor(want, undefined) : [];
        const heavy = sections.filter(({ entries }) => entries.length > 0);
        const claimed = this.#claim(offer);
        wanted = new Set(claimed.map(([origin]) => origin));
        await this.#send({
          kind: "answer",
          light: sections.filter(({ entries }) => entries.length === 0).map(({ section }) => section),
          heavy: heavy.length,
          want: claimed,
        });
        answered.note(this.#peer.instance);
        sending = this.#sendSections(heavy);
        sending.catch(() => undefined);
      } else if (message.kind === "section") {
        await this.#receiveSection(message, wanted);
      } else if (message.kind === "sent") {
        sending = sending.then(() => this.#send({ kind: "taken" }));
        sending.catch(() => undefined);
      } else {
        throw new PeerError("protocol", `it sends ${message.kind} where that makes no sense`);
      }
    }
  }

  /** Ends what this session has begun to take. */
  release(): void {
    this.#context.claims.releaseAll(this);
  }

  get peerIsManager(): boolean {
    return this.#peerIsManager;
  }

  /** Whether this node gives what it has to the other end. */
  get gives(): boolean {
    const { replicateTo, manager } = this.#context;
    return replicateTo === "all" || this.#peerIsManager || !manager();
  }

  #hello(): Message {
    return { kind: "hello", protocol: 1, instance: this.#context.instance, origin: this.#context.origin() };
  }

  #meet({ instance, origin }: MessageOf<"hello">): void {
    this.#peer = { instance, origin };
    if (instance !== this.#context.instance && origin === this.#context.origin()) {
      throw new PeerError("same_name", `it is called ${origin} like this node: node names must differ`);
    }
  }

  /**
   * Begins a later epoch where the other end holds something of this node's own that this node does not know to be
   * its past. What it only got to know since it was asked is not ahead of it.
   */
  #raiseAbove(held: Version): void {
    const { cache, origin, raiseEpoch } = this.#context;
    if (compareVersions(held, cache.holdings.versionOf(origin())) > 0) raiseEpoch(held.epoch);
  }

  #side(): Side {
    const { cache, origin } = this.#context;
    return {
      origin: origin(),
      versions: new Map(cache.holdings.list().map((holding) => [holding.origin, holding])),
    };
  }

  #have(): HoldingTuple[] {
    return this.#context.cache.holdings
      .list()
      .map(({ origin, epoch, sequence, digest }) => [origin, epoch, sequence, digest]);
  }

  /** The labels of services, for a worker that knows others than this manager. */
  #labelsFor(theirs: string): [string, Record<string, string>][] | undefined {
    const { manager, serviceLabels } = this.#context;
    if (!manager() || this.#peerIsManager || serviceLabels.digest === "" || serviceLabels.digest === theirs)
      return;
    return [...serviceLabels.labels].map(([id, labels]) => [id, { ...labels }]);
  }

  /** What this node has of those origins that no other peer is sending already, to say what is lacking. */
  #claim(origins: readonly string[]): HoldingTuple[] {
    const { cache, claims, origin: own } = this.#context;
    return origins.flatMap((origin) => {
      if (origin === own() || !claims.claim(origin, this, origin === this.#peer?.origin)) return [];
      const { epoch, sequence, digest } = cache.holdings.get(origin) ?? { ...noVersion, digest: 0 };
      return [[origin, epoch, sequence, digest] satisfies HoldingTuple];
    });
  }

  #sectionFor(origin: string, receiver: ReceiverState = { ...noVersion, digest: 0 }): SectionToSend[] {
    const { cache, clock } = this.#context;
    const section = sectionFor(cache.holdings, origin, receiver, clock.monotonic());
    return section === undefined ? [] : [section];
  }

  #sectionsFor(want: readonly HoldingTuple[], offered: ReadonlySet<string> | undefined): SectionToSend[] {
    return want.flatMap(([origin, epoch, sequence, digest]) =>
      offered === undefined || offered.has(origin)
        ? this.#sectionFor(origin, { epoch, sequence, digest })
        : [],
    );
  }

  /** Sections without entries. @param wanted undefined where they come unasked. @returns how many fitted. */
  #takeLight(sections: readonly Section[], wanted: ReadonlySet<string> | undefined): number {
    const { claims, limits } = this.#context;
    this.#checkOrigins(sections.map(({ origin }) => origin));
    // What they list of all origins together is no more than may be held, kept or renewed.
    if (sections.reduce((sum, section) => sum + listedIn(section), 0) > 2 * limits.entries) {
      throw new PeerError("limit", `it has more than ${limits.entries} entries`);
    }
    let fitted = 0;
    for (const section of sections) {
      if (section.entries !== undefined || wanted?.has(section.origin) === false) {
        throw new PeerError("protocol", "it sends a section that was not asked for");
      }
      const intake = this.#intake(section);
      if (intake.fits) fitted++;
      intake.finish();
      claims.release(section.origin, this);
    }
    return fitted;
  }

  /** @param wanted each is sent once. */
  async #receiveSection({ section }: MessageOf<"section">, wanted: Set<string>): Promise<number> {
    const { clock, limits, claims, count } = this.#context;
    if (!wanted.delete(section.origin))
      throw new PeerError("protocol", "it sends a section that was not asked for");
    const until = clock.monotonic() + limits.exchangeMs;
    const intake = this.#intake(section);
    const fits = intake.fits;
    let begun = clock.monotonic();
    while (intake.missing > 0) {
      const frame = await this.#channel.receive(limits.idleMs);
      if (frame.kind !== "t") throw new PeerError("protocol", "it breaks off a section");
      const receivedAt = clock.monotonic();
      if (receivedAt > until) {
        throw new PeerError("timeout", `a section took over ${limits.exchangeMs / 1000} s`);
      }
      const batch = await decodeBatch(frame.payload, limits);
      if (batch.length > intake.missing)
        throw new PeerError("protocol", "it sends more entries than it told");
      for (const received of batch) {
        checkGzip(received);
        this.#checkRoom();
        intake.take(entryFrom(received.metadata, received.gzip, section, receivedAt));
        count("in", 1);
        if (clock.monotonic() - begun < checkingMs) continue;
        await yieldToOthers();
        begun = clock.monotonic();
      }
      claims.renew(section.origin, this);
    }
    intake.finish();
    claims.release(section.origin, this);
    return fits ? 1 : 0;
  }

  /** What is told of origins is told of each once: all that follows takes time for each. */
  #checkOrigins(origins: readonly string[]): void {
    const most = this.#context.limits.origins;
    if (origins.length > most) throw new PeerError("limit", `it knows more than ${most} origins`);
    if (new Set(origins).size < origins.length) {
      throw new PeerError("protocol", "it tells of one origin twice");
    }
  }

  #intake(section: Section): Intake {
    const { cache, clock, limits } = this.#context;
    const { holdings } = cache;
    const isNew = holdings.get(section.origin) === undefined;
    if (isNew && holdings.list().length >= limits.origins) {
      throw new PeerError("limit", `there are more than ${limits.origins} origins`);
    }
    return new Intake(section, holdings, clock.monotonic(), limits.entriesPerOrigin);
  }

  #checkRoom(): void {
    const { cache, limits } = this.#context;
    const { entries, gzipBytes } = cache.totals;
    if (entries >= limits.entries || gzipBytes >= limits.gzipBytes) {
      throw new PeerError("limit", "the cache is full");
    }
  }

  async #sendSections(sections: readonly SectionToSend[]): Promise<void> {
    const { clock, count } = this.#context;
    for (const { section, entries } of sections) {
      await this.#send({ kind: "section", section });
      for (const batch of batchesOf(entries)) {
        await this.#channel.send({ kind: "t", payload: await encodeBatch(batch, clock.monotonic()) });
        count("out", batch.length);
      }
    }
  }

  #send(...messages: Message[]): Promise<void> {
    return this.#channel.send(
      ...messages.map((message) => ({ kind: "m" as const, payload: encodeMessage(message) })),
    );
  }

  async #message(idleMs: number): Promise<Message> {
    const { kind, payload } = await this.#channel.receive(idleMs);
    if (kind !== "m") throw new PeerError("protocol", "it sends entries that were not asked for");
    const { clock, limits } = this.#context;
    const json = inflateMessage(payload, limits.messageBytes);
    if (!this.#messageBytes.take(clock.monotonic(), json.length)) {
      throw new PeerError("limit", "it says too much");
    }
    return parseMessage(json);
  }

  async #expect<K extends Message["kind"]>(kind: K): Promise<MessageOf<K>> {
    const message = await this.#message(this.#context.limits.idleMs);
    if (message.kind !== kind) throw new PeerError("protocol", `it sends ${message.kind} instead of ${kind}`);
    return message as MessageOf<K>;
  }
}

/** How many sequences the lists of a section stand for. */
function listedIn({ kept = [], renewals = [] }: Section): number {
  const lists = renewals.map(({ only, except }) => only ?? except ?? []);
  return [kept, ...lists].reduce((sum, list) => sum + countSequences(list), 0);
}
