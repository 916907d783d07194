import { encodePublication } from "../archive/publication-json.js";
import { targetKeyOf } from "../archive/target-key.js";
import { describeError } from "../errors.js";
import { nextNumber } from "../model/number.js";
import type { Attempt, PublicationContent, SwarmDocumentContent } from "../model/publication.js";
import type { Scrape } from "../model/scrape.js";
import type { TargetStatus } from "../model/target-status.js";
import type { Feed } from "./feed.js";
import { OwnSwarm } from "./own-swarm.js";
import { OwnTargets, plainReason, providerOf } from "./own-targets.js";
import { chunksOf, type PendingAttempt, renumber } from "./pending-attempts.js";
import type { AttemptResult, PublisherOptions } from "./publisher-options.js";

/** Milliseconds between two publications, except at the end of a cycle. */
const pauseMs = 500;
/** Milliseconds after which an attempt that changed nothing is published: it need not await the slowest of its cycle. */
const unchangedMs = 1000;

/**
 * Publishes this node's attempts in its own feed of the cache: the first change at once, later ones at most twice a
 * second, attempts without changes within a second, and all of them at the end of a cycle.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  #feed: Feed | undefined;
  #targets: OwnTargets;
  #pending: PendingAttempt[] = [];
  #targetsChanged = true;
  /** Providers whose complete list is known. */
  readonly #listed = new Set<string>();
  readonly #swarm: OwnSwarm;
  /** Wall clock minus monotonic clock, in milliseconds: the same for a batch and all its attempts. */
  #offset: number;
  #lastPublication = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #publishAt = Number.POSITIVE_INFINITY;
  #suspended = false;
  #first = Number.POSITIVE_INFINITY;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#targets = new OwnTargets(options.logger);
    this.#swarm = new OwnSwarm(options.logger);
    this.#offset = this.#measureOffset();
  }

  /** The highest number known under this node's name. */
  get highest(): number {
    return this.#ownFeed().highest;
  }

  /** The first number of what this process publishes; what earlier processes published must have lower ones. */
  get first(): number {
    return this.#first;
  }

  /** While suspended, nothing new is sent to other nodes. */
  set suspended(suspended: boolean) {
    if (this.#suspended && !suspended) this.#targetsChanged = true;
    this.#suspended = suspended;
  }

  /** The last scrape of a target, made by this process or an earlier one. */
  lastScrape(id: string): Scrape | undefined {
    return this.#ownFeed().scrapes.newestOf(id);
  }

  /** Applies the complete list of a provider: its targets that are not listed have ended. */
  listed(provider: string, statuses: readonly TargetStatus[]): void {
    this.#ownFeed();
    this.#listed.add(provider);
    const listed = new Set(statuses.map(({ target }) => target.id));
    for (const status of statuses) this.#update(status);
    for (const id of this.#targets.idsOf(provider)) if (!listed.has(id)) this.ended(id);
  }

  /** Ends the targets of an earlier process whose provider is no longer configured, such as a targets file. */
  endOtherProviders(configured: readonly string[]): void {
    this.#ownFeed();
    for (const provider of this.#targets.providers())
      if (!configured.includes(provider)) this.listed(provider, []);
  }

  /** Ends a target. Its scrapes are no longer served. */
  ended(id: string): void {
    const feed = this.#ownFeed();
    const ended = this.#targets.end(id, this.#options.clock.now());
    if (ended === undefined) return;
    feed.scrapes.listOne(ended);
    this.#targetsChanged = true;
    this.#schedule();
  }

  /** Records an attempt. @param status the target's status after the attempt. */
  attempted(status: TargetStatus, { begun, duration, outcome }: AttemptResult): void {
    const feed = this.#ownFeed();
    const { id } = status.target;
    const before = feed.scrapes.newestOf(id);
    this.#update(status);
    const at = Math.round(begun);
    const result = this.#resultOf(outcome, before);
    const pending: PendingAttempt = {
      target: targetKeyOf(id),
      at,
      scrapedAt: at + this.#offset,
      duration,
      outcome: result.outcome,
      batch: undefined,
      local: this.#suspended || !this.#options.travels(status.target) || !this.#targets.isPublishable(id),
    };
    this.#pending.push(pending);
    feed.scrapes.add(pending);
    const { added } = result;
    if (added !== undefined) this.#options.cache.addScrape(feed.origin, added.number, added.gzip);
    this.#schedule(added === undefined ? unchangedMs : 0);
  }

  /** Publishes this manager's view of the swarm if it changed. */
  swarm(content: SwarmDocumentContent): void {
    if (this.#swarm.update(content)) this.#publishSwarm();
  }

  /** Ends a cycle: publishes all attempts, or an empty batch as a sign of life. */
  endCycle(): void {
    const { clock, history, travels } = this.#options;
    if (this.#targets.removeEnded(clock.now() - history * 1000)) this.#targetsChanged = true;
    const replicates = travels({ scope: "replicated" });
    this.#publish(replicates && !this.#suspended);
  }

  /**
   * Raises the numbers of this node above one that peers have under its name, from an earlier process. Publishes
   * everything of this process again under higher numbers, because peers ignored the lower ones.
   */
  raise(known: number): void {
    const { cache, budget, instance } = this.#options;
    const feed = this.#ownFeed();
    if (known <= feed.highest) return;
    feed.notice(known);
    this.#first = Number.POSITIVE_INFINITY;
    const batches = feed.batches.filter(({ publication }) => publication.instance === instance);
    const { attempts, numbers } = renumber(batches, this.#pending, () => this.#nextNumber());
    this.#pending = attempts;
    for (const attempt of attempts) feed.scrapes.add(attempt);
    for (const [old, number] of numbers) {
      const gzip = feed.scrapes.gzipOf(old);
      if (gzip !== undefined && budget.take(gzip.length)) cache.addScrape(feed.origin, number, gzip);
    }
    feed.remove(batches);
    this.#targetsChanged = true;
    this.#publish(true);
    this.#publishSwarm();
  }

  /** Publishes what is pending and stops its timer. */
  stop(): void {
    clearTimeout(this.#timer);
    if (this.#feed !== undefined) this.#publish(false);
    clearTimeout(this.#timer);
  }

  #ownFeed(): Feed {
    const { cache, logger, origin } = this.#options;
    const name = origin();
    if (this.#feed?.origin === name) return this.#feed;
    const before = this.#targets.all();
    this.#feed = cache.ownFeed(name);
    this.#targets = new OwnTargets(logger);
    this.#targets.adopt(before);
    this.#targets.adopt(this.#feed.targets);
    for (const target of before) this.#feed.scrapes.listOne(target);
    this.#pending = [];
    this.#targetsChanged = true;
    return this.#feed;
  }

  #update(status: TargetStatus): void {
    const changed = this.#targets.update(status, this.#options.clock.now());
    if (changed === undefined) return;
    this.#ownFeed().scrapes.listOne(changed);
    this.#targetsChanged = true;
    this.#schedule();
  }

  #schedule(delayMs = 0): void {
    const now = this.#options.clock.monotonic();
    const at = Math.max(now + delayMs, this.#lastPublication + pauseMs);
    if (at >= this.#publishAt) return;
    clearTimeout(this.#timer);
    this.#publishAt = at;
    const publish = () => {
      try {
        this.#publish(false);
      } catch (error) {
        this.#options.logger.error("publishing failed", { error: describeError(error) });
      }
    };
    this.#timer = setTimeout(publish, at - now).unref();
  }

  #nextNumber(): number {
    const feed = this.#ownFeed();
    const number = nextNumber(feed.highest, this.#options.clock.now());
    feed.notice(number);
    this.#first = Math.min(this.#first, number);
    return number;
  }

  /** @param always whether to publish a batch without attempts. */
  #publish(always: boolean): void {
    clearTimeout(this.#timer);
    this.#publishAt = Number.POSITIVE_INFINITY;
    const feed = this.#ownFeed();
    const at = Math.round(this.#options.clock.monotonic());
    this.#lastPublication = at;
    // Before the first list, the document of an earlier process remains valid.
    if (this.#targetsChanged && this.#listed.size > 0 && !this.#suspended) {
      this.#publishTargets(at);
    }
    const pending = this.#pending;
    this.#pending = [];
    const travelling = pending.filter(({ local }) => !local);
    for (const attempts of chunksOf(travelling, always)) this.#publishBatch(attempts, at);
    for (const attempts of chunksOf(pending.filter(({ local }) => local)))
      this.#publishBatch(attempts, at, true);
    feed.scrapes.remove(undefined, new Set(pending.map(({ target }) => target)));
    this.#offset = this.#measureOffset();
  }

  #publishBatch(attempts: readonly PendingAttempt[], at: number, local = false): void {
    this.#add(at, {
      kind: "batch",
      ...(local ? { local } : {}),
      attempts: attempts
        .map(({ target, at: begun, duration, outcome }) => ({ target, ago: at - begun, duration, outcome }))
        .sort((a, b) => a.target - b.target),
    });
  }

  /** This node keeps all its targets, but sends only those that peers accept. */
  #publishTargets(at: number): void {
    const { advertise } = this.#options;
    const feed = this.#ownFeed();
    const before = feed.targetsDocument;
    const restored = feed.targets.filter(({ id }) => !this.#listed.has(providerOf(id)));
    this.#targets.adopt(restored);
    const document = { kind: "targets" as const, ...(advertise === undefined ? {} : { advertise }) };
    this.#add(
      at,
      { ...document, targets: this.#targets.all() },
      { ...document, targets: this.#targets.publishable() },
    );
    // If there is no memory, it is published in a later cycle.
    this.#targetsChanged = feed.targetsDocument === before;
  }

  #publishSwarm(): void {
    const { content } = this.#swarm;
    if (content === undefined || this.#suspended) return;
    this.#add(Math.round(this.#options.clock.monotonic()), { kind: "swarm", ...content });
  }

  /** @param sent the form that is sent to other nodes. */
  #add(at: number, kept: PublicationContent, sent = kept): void {
    const { cache, instance } = this.#options;
    const feed = this.#ownFeed();
    const header = { origin: feed.origin, number: this.#nextNumber(), instance, time: at + this.#offset };
    const missing = cache.add({
      publication: { ...header, ...kept },
      ...encodePublication({ ...header, ...sent }),
      at,
    });
    // Evicted since the attempt.
    for (const scrape of missing) feed.giveUp(scrape);
  }

  /** The outcome to publish, and the scrape if it is new. */
  #resultOf(
    outcome: AttemptResult["outcome"],
    before: Scrape | undefined,
  ): Pick<Attempt, "outcome"> & { readonly added?: { readonly number: number; readonly gzip: Buffer } } {
    if ("reason" in outcome) return { outcome: { reason: plainReason(outcome.reason) } };
    const { gzip, contentType, size, samples } = outcome;
    const { cache, budget } = this.#options;
    if (before !== undefined && before.contentType === contentType && before.gzip.equals(gzip)) {
      cache.noteScraped(before.gzip);
      return { outcome: { number: before.number, contentType, size, samples } };
    }
    if (!budget.take(gzip.length))
      return { outcome: { reason: "response not kept: memory budget exceeded" } };
    cache.noteScraped(gzip);
    const number = this.#nextNumber();
    return { outcome: { number, contentType, size, samples }, added: { number, gzip } };
  }

  #measureOffset(): number {
    const { clock } = this.#options;
    return Math.round(clock.now() - clock.monotonic());
  }
}
