import { crc32 } from "node:zlib";
import { publicationMember, scrapeMemberName } from "../archive/members.js";
import type { TarMember } from "../archive/tar-writer.js";
import type { Clock } from "../model/clock.js";
import {
  type Batch,
  isLocal,
  type Publication,
  type PublishedTarget,
  type SwarmDocument,
  type TargetsDocument,
} from "../model/publication.js";
import { type HeldPublication, memoryOf } from "./held-publication.js";
import { TargetScrapes, type TargetScrapesListener, type TimedAttempt } from "./target-scrapes.js";

/** A publication above `held`, and its missing scrapes. */
interface Arriving {
  readonly number: number;
  readonly missing: Set<number>;
  /** Undefined if the publication is not kept. */
  readonly held: HeldPublication | undefined;
}

export interface FeedListener extends TargetScrapesListener {
  /** A publication is complete: its scrapes have arrived, or were given up. */
  onComplete(held: HeldPublication): void;
}

/** Everything that this node has of one origin: its newest documents, its batches, and the scrapes that they name. */
export class Feed {
  readonly origin: string;
  /** The targets and scrapes of all batches. */
  readonly scrapes: TargetScrapes;
  readonly #listener: FeedListener;
  /** In the order of their numbers. */
  #batches: HeldPublication<Batch>[] = [];
  #targets: HeldPublication<TargetsDocument> | undefined;
  #swarm: HeldPublication<SwarmDocument> | undefined;
  /** In the order of their numbers. */
  #arriving: Arriving[] = [];
  #held = 0;
  #offered = 0;
  #highest = 0;
  #newestAt = Number.NEGATIVE_INFINITY;
  #newest: Pick<Publication, "number" | "instance"> | undefined;

  constructor(origin: string, listener: FeedListener) {
    this.origin = origin;
    this.#listener = listener;
    this.scrapes = new TargetScrapes(origin, listener);
  }

  /** The number up to which every publication of the origin is complete. */
  get held(): number {
    return this.#held;
  }

  /** The highest number known under this name. */
  get highest(): number {
    return this.#highest;
  }

  /** When the newest publication was published, on this process's monotonic clock. */
  get newestAt(): number {
    return this.#newestAt;
  }

  /** Id of the process that published the newest publication. */
  get instance(): string | undefined {
    return this.#newest?.instance;
  }

  /** The number up to which followers receive every publication: `held` without local publications. */
  get offered(): number {
    return this.#offered;
  }

  get targetsDocument(): HeldPublication<TargetsDocument> | undefined {
    return this.#targets;
  }

  get swarmDocument(): HeldPublication<SwarmDocument> | undefined {
    return this.#swarm;
  }

  /** The targets that the origin lists, including ended ones. */
  get targets(): readonly PublishedTarget[] {
    return this.#targets?.publication.targets ?? [];
  }

  /** In the order of their numbers. */
  get batches(): readonly HeldPublication<Batch>[] {
    return this.#batches;
  }

  /** The newest documents and all batches. */
  publications(): HeldPublication[] {
    return [this.#targets, this.#swarm, ...this.#batches].filter((held) => held !== undefined);
  }

  /** The publications that a follower lacks if it has everything up to a number: in order, without local ones. */
  publicationsAbove(number: number): HeldPublication[] {
    const first = this.#batches.findLastIndex(({ publication }) => publication.number <= number) + 1;
    return [this.#targets, this.#swarm, ...this.#batches.slice(first)]
      .filter((held) => held !== undefined)
      .filter(
        ({ publication }) =>
          publication.number > number && publication.number <= this.#held && !isLocal(publication),
      )
      .sort((a, b) => a.publication.number - b.publication.number);
  }

  /**
   * Adds a publication. Ignores a document that is older than the current one.
   *
   * @returns the numbers of the missing scrapes.
   */
  add(held: HeldPublication): number[] {
    const { publication, at } = held;
    const { number } = publication;
    this.#newestAt = Math.max(this.#newestAt, at);
    if (number >= (this.#newest?.number ?? 0)) this.#newest = { number, instance: publication.instance };
    this.notice(number);
    let missing: number[] = [];
    if (publication.kind === "targets") {
      if (this.#replaces(held, this.#targets)) {
        this.#targets = { ...held, publication };
        this.scrapes.list(publication.targets);
      }
    } else if (publication.kind === "swarm") {
      if (this.#replaces(held, this.#swarm)) this.#swarm = { ...held, publication };
    } else {
      this.#addBatch({ ...held, publication });
      missing = this.scrapes.missingOf(publication);
    }
    this.#arrive({ number, missing: new Set(missing), held });
    return missing;
  }

  /** Counts a publication as held although it is not kept, because it is invalid or expired. */
  skip(number: number): void {
    this.notice(number);
    this.#arrive({ number, missing: new Set(), held: undefined });
  }

  /**
   * A scrape as a member of an archive.
   *
   * @param mtime in milliseconds since the epoch.
   * @returns undefined if the bytes of the scrape are not in memory.
   */
  scrapeMember(number: number, mtime: number): TarMember | undefined {
    const body = this.scrapes.gzipOf(number);
    if (body === undefined) return undefined;
    const { job, replica } = this.scrapes.identityOf(number) ?? { job: "unknown", replica: "unknown" };
    const name = scrapeMemberName({ origin: this.origin, job, replica, number }, crc32(body));
    return { name, body, mtime };
  }

  /** All scrapes and publications as members of an archive. */
  members(clock: Clock): TarMember[] {
    const offset = clock.now() - clock.monotonic();
    const scrapes = [...this.scrapes.all()].map(({ number, scrapedAt }) =>
      this.scrapeMember(number, scrapedAt),
    );
    const publications = this.publications().map((held) => publicationMember(held, held.at + offset));
    return [...scrapes.filter((member) => member !== undefined), ...publications];
  }

  /** Adds the bytes of a scrape. @returns false if no batch names it, or it has arrived before. */
  addScrape(number: number, gzip: Buffer): boolean {
    const isNew = this.scrapes.store(number, gzip);
    this.#settle(number);
    return isNew;
  }

  /** Stops waiting for a scrape: it is invalid, or no peer has it. */
  giveUp(number: number): void {
    this.#settle(number);
  }

  /**
   * Stops waiting for scrapes of publications below a number: the peer sends publications in order, so it will not send
   * them.
   *
   * @param isRequested whether a scrape has been requested and may still arrive.
   */
  abandonBefore(number: number, isRequested: (scrape: number) => boolean): void {
    this.#abandon((arriving) => arriving.number < number && ![...arriving.missing].some(isRequested));
  }

  /** Removes batches, and the scrapes that no other batch names. */
  remove(batches: readonly HeldPublication<Batch>[]): void {
    if (batches.length === 0) return;
    const removed = new Set(batches);
    this.#batches = this.#batches.filter((batch) => !removed.has(batch));
    this.#abandon(({ held }) => batches.some((batch) => batch.bytes === held?.bytes));
    for (const batch of batches) {
      const { publication } = batch;
      this.#listener.onFreed(memoryOf(batch));
      this.scrapes.remove(
        publication.number,
        publication.attempts.map(({ target }) => target),
      );
    }
  }

  /** The batches that were published before a time on the monotonic clock. */
  batchesBefore(moment: number): HeldPublication<Batch>[] {
    return this.#batches.filter(({ at }) => at < moment);
  }

  /** Removes everything. */
  clear(): void {
    for (const held of [this.#targets, this.#swarm])
      if (held !== undefined) this.#listener.onFreed(memoryOf(held));
    this.scrapes.list([]);
    this.scrapes.remove(undefined);
    this.remove(this.#batches);
  }

  /** Notes that a number was used under this name. */
  notice(number: number): void {
    this.#highest = Math.max(this.#highest, number);
  }

  /** Notes that the origin published at this time of the monotonic clock, even if the publication has not arrived. */
  publishedAt(moment: number): void {
    this.#newestAt = Math.max(this.#newestAt, moment);
  }

  /** Whether a document is newer than the current one. Frees the memory of the older one. */
  #replaces(held: HeldPublication, before: HeldPublication | undefined): boolean {
    const isNewer = held.publication.number > (before?.publication.number ?? 0);
    const unused = isNewer ? before : held;
    if (unused !== undefined) this.#listener.onFreed(memoryOf(unused));
    return isNewer;
  }

  #addBatch(held: HeldPublication<Batch>): void {
    const { number } = held.publication;
    const before = this.#batches.findLastIndex(({ publication }) => publication.number <= number);
    if (this.#batches[before]?.publication.number === number) {
      this.#listener.onFreed(memoryOf(held));
      return;
    }
    this.#batches.splice(before + 1, 0, held);
    for (const attempt of timedAttempts(held)) this.scrapes.add(attempt);
  }

  #arrive(arriving: Arriving): void {
    const { number } = arriving;
    if (number <= this.#held || this.#arriving.some((other) => other.number === number)) return;
    this.#arriving.push(arriving);
    this.#arriving.sort((a, b) => a.number - b.number);
    this.#advance();
  }

  #abandon(isLost: (arriving: Arriving) => boolean): void {
    for (const arriving of this.#arriving) if (isLost(arriving)) arriving.missing.clear();
    this.#advance();
  }

  #settle(scrape: number): void {
    for (const { missing } of this.#arriving) missing.delete(scrape);
    this.#advance();
  }

  #advance(): void {
    while (this.#arriving[0]?.missing.size === 0) {
      const { number, held } = this.#arriving.shift()!;
      this.#held = number;
      if (held === undefined || !isLocal(held.publication)) this.#offered = number;
      if (held !== undefined) this.#listener.onComplete(held);
    }
  }
}

/** The attempts of a batch with their times on this node's clocks. */
export function timedAttempts({ publication, at }: HeldPublication<Batch>): TimedAttempt[] {
  const { number, time, attempts } = publication;
  return attempts.map(({ target, ago, duration, outcome }) => ({
    target,
    at: at - ago,
    scrapedAt: time - ago,
    duration,
    outcome,
    batch: number,
  }));
}
