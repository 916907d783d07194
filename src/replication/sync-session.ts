import { TokenBucket } from "../model/token-bucket.js";
import { compareVersions, type Version } from "../model/version.js";
import { checkOrigins } from "./check-origins.js";
import type { FrameChannel } from "./frame-channel.js";
import { MessageChannel } from "./message-channel.js";
import type { HoldingTuple, Message, MessageOf, Section } from "./messages.js";
import { PeerError } from "./peer-error.js";
import { planExchange, type Side } from "./planner.js";
import type { ReceiverState, SectionToSend } from "./section.js";
import { SectionGiver } from "./section-giver.js";
import { SectionTaker } from "./section-taker.js";
import type { SyncContext } from "./sync-context.js";

/** Messages that the other end may send to ask or tell. */
const questionRate = { capacity: 60, perSecond: 10 };

/** What is known of the other end. */
export interface PeerIdentity {
  readonly instance: string;
  readonly origin: string;
}

/** What one exchange has done. */
export interface ExchangeResult {
  /** How many sections brought something new. */
  readonly brought: number;
  /** What the other end now holds of each origin. */
  readonly theirs: ReadonlyMap<string, Version>;
}

/** One end of a `sync` channel: begins exchanges, or answers them. Both ends give and take sections alike. */
export class SyncSession {
  readonly #context: SyncContext;
  readonly #messages: MessageChannel;
  readonly #giver: SectionGiver;
  readonly #taker: SectionTaker;
  #peer: PeerIdentity | undefined;
  #peerIsManager = false;
  /** What the last answer gives, until all of it is sent: the next message may come meanwhile. */
  #giving: Promise<void> = Promise.resolve();

  constructor(channel: FrameChannel, context: SyncContext) {
    this.#context = context;
    this.#messages = new MessageChannel(channel, context);
    this.#giver = new SectionGiver(this.#messages, context);
    this.#taker = new SectionTaker(this.#messages, context);
  }

  get peer(): PeerIdentity | undefined {
    return this.#peer;
  }

  /** One exchange with the other end, begun here. @throws PeerError */
  async exchange(): Promise<ExchangeResult> {
    const { peer, states, labels: theirLabels } = await this.#ask();
    const plan = planExchange(this.#side(), { origin: peer.origin, versions: states });
    if (plan.raiseOwn !== undefined) this.#raiseAbove(plan.raiseOwn);
    const give = this.gives ? plan.give : [];
    const sections = this.#giver.sectionsFor(give.map((origin) => [origin, states.get(origin)]));
    const theirs = new Map<string, Version>(states);
    for (const { section } of sections) theirs.set(section.origin, section);
    const want = this.#taker.claim(plan.want, peer.origin);
    const labels = this.#labelsFor(theirLabels);
    const raise = plan.raiseTheirs;
    if (sections.length + want.length === 0 && raise === undefined && labels === undefined) {
      return { brought: 0, theirs };
    }
    const offer = sections.filter(isHeavy).map(({ section }) => section.origin);
    await this.#messages.send({
      kind: "plan",
      ...(raise === undefined ? {} : { raise: [raise.epoch, raise.sequence] }),
      light: lightOf(sections),
      offer,
      want,
      ...(labels === undefined ? {} : { labels }),
    });
    const brought = await this.#carryOut(want.length, new Set(offer));
    this.#taker.release();
    return { brought, theirs };
  }

  /** Answers the other end for as long as it stays. @throws PeerError how it ended. */
  async serve(): Promise<never> {
    const { clock } = this.#context;
    const questions = new TokenBucket(questionRate, clock.monotonic());
    for (;;) {
      const message = await this.#messages.receive(Number.POSITIVE_INFINITY);
      if (message.kind !== "section" && !questions.take(clock.monotonic())) {
        throw new PeerError("limit", "it asks on and on");
      }
      await this.#answer(message);
    }
  }

  /** Ends what this session has begun to take. */
  release(): void {
    this.#taker.release();
  }

  get peerIsManager(): boolean {
    return this.#peerIsManager;
  }

  /** Whether this node gives what it has to the other end. */
  get gives(): boolean {
    const { replicateTo, manager } = this.#context;
    return replicateTo === "all" || this.#peerIsManager || !manager();
  }

  /** @returns who the other end is, and what it has. */
  async #ask(): Promise<{
    readonly peer: PeerIdentity;
    readonly states: ReadonlyMap<string, ReceiverState>;
    readonly labels: string;
  }> {
    const ask: Message = { kind: "ask", manager: this.#context.manager() };
    if (this.#peer === undefined) await this.#messages.send(this.#hello(), ask);
    else await this.#messages.send(ask);
    const peer = this.#peer ?? this.#meet(await this.#messages.expect("hello"));
    const { have, manager, labels = "" } = await this.#messages.expect("have");
    this.#peerIsManager = manager;
    return { peer, states: this.#statesOf(have), labels };
  }

  /**
   * The second half of an exchange: sends what is wanted and takes what comes, both at once.
   *
   * @returns how many sections brought something new.
   */
  async #carryOut(wanted: number, offered: ReadonlySet<string>): Promise<number> {
    const answer = await this.#messages.expect("answer");
    const states = [...this.#statesOf(answer.want)].filter(([origin]) => offered.has(origin));
    let brought = this.#taker.takeLight(answer.light, "asked");
    const sending = this.#giver.send(this.#giver.sectionsFor(states));
    const sent =
      answer.want.length === 0 ? sending : sending.then(() => this.#messages.send({ kind: "sent" }));
    sent.catch(() => undefined);
    if (answer.heavy > wanted) throw new PeerError("protocol", "it sends more than was wanted");
    for (let section = 0; section < answer.heavy; section++) {
      if (await this.#taker.take((await this.#messages.expect("section")).section)) brought++;
    }
    await sent;
    if (answer.want.length > 0) await this.#messages.expect("taken");
    return brought;
  }

  async #answer(message: Message): Promise<void> {
    if (message.kind === "hello" && this.#peer === undefined) {
      // The answer first: the other end is told by it what is wrong.
      await this.#messages.send(this.#hello());
      this.#meet(message);
    } else if (this.#peer === undefined) {
      throw new PeerError("protocol", "it does not say who it is");
    } else if (message.kind === "ask") {
      await this.#giving;
      await this.#answerAsk(message);
      this.#context.answered.note(this.#peer.instance);
    } else if (message.kind === "plan") {
      await this.#giving;
      await this.#answerPlan(message, this.#peer);
      this.#context.answered.note(this.#peer.instance);
    } else if (message.kind === "section") {
      await this.#taker.take(message.section);
    } else if (message.kind === "sent") {
      this.#goOn(this.#giving.then(() => this.#messages.send({ kind: "taken" })));
    } else {
      throw new PeerError("protocol", `it sends ${message.kind} where that makes no sense`);
    }
  }

  async #answerAsk({ manager: theyManage }: MessageOf<"ask">): Promise<void> {
    this.#peerIsManager = theyManage;
    const { manager, serviceLabels } = this.#context;
    const { digest } = serviceLabels;
    await this.#messages.send({
      kind: "have",
      manager: manager(),
      have: this.#have(),
      ...(digest === "" ? {} : { labels: digest }),
    });
  }

  async #answerPlan(
    { want, offer, light, raise, labels }: MessageOf<"plan">,
    peer: PeerIdentity,
  ): Promise<void> {
    const { limits, manager, serviceLabels } = this.#context;
    const states = this.#statesOf(want);
    checkOrigins(offer, limits);
    if (raise !== undefined) this.#raiseAbove({ epoch: raise[0], sequence: raise[1] });
    // A manager knows them itself.
    if (labels !== undefined && !manager()) serviceLabels.replace(new Map(labels));
    this.#taker.takeLight(light, "unasked");
    const sections = this.gives ? this.#giver.sectionsFor(states) : [];
    const heavy = sections.filter(isHeavy);
    await this.#messages.send({
      kind: "answer",
      light: lightOf(sections),
      heavy: heavy.length,
      want: this.#taker.claim(offer, peer.origin),
    });
    this.#goOn(this.#giver.send(heavy));
  }

  /** Goes on giving while the next message is read; who awaits it gets its failure. */
  #goOn(giving: Promise<void>): void {
    this.#giving = giving;
    giving.catch(() => undefined);
  }

  /** What the other end says to have, by origin. @throws PeerError */
  #statesOf(holdings: readonly HoldingTuple[]): Map<string, ReceiverState> {
    checkOrigins(
      holdings.map(([origin]) => origin),
      this.#context.limits,
    );
    return new Map(
      holdings.map(([origin, epoch, sequence, digest]) => [origin, { epoch, sequence, digest }]),
    );
  }

  #hello(): Message {
    return { kind: "hello", protocol: 1, instance: this.#context.instance, origin: this.#context.origin() };
  }

  #meet({ instance, origin }: MessageOf<"hello">): PeerIdentity {
    const peer = { instance, origin };
    this.#peer = peer;
    if (instance !== this.#context.instance && origin === this.#context.origin()) {
      throw new PeerError("same_name", `it is called ${origin} like this node: node names must differ`);
    }
    return peer;
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
}

function isHeavy({ entries }: SectionToSend): boolean {
  return entries.length > 0;
}

function lightOf(sections: readonly SectionToSend[]): Section[] {
  return sections.filter((section) => !isHeavy(section)).map(({ section }) => section);
}
