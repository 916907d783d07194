import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { publicationMember, scrapeKey } from "../archive/members.js";
import type { TarMember } from "../archive/tar-writer.js";
import { describeError } from "../errors.js";
import { scrapesNamedBy } from "../model/publication.js";
import { prepareCacheFolder } from "./cache-folder.js";
import type { HeldPublication } from "./held-publication.js";
import {
  type DiskLogOptions,
  documentKey,
  emptySegment,
  loadSegments,
  maxLogBytes,
  maxSegmentBytes,
  notePublication,
  type Segment,
} from "./load-segments.js";
import { SegmentWriter } from "./segment.js";

const maxQueued = 1000;
/** Bytes whose checksums are computed per pass of the event loop. A scrape counts at least as so many. */
const checkedPerStep = 2 * 1024 * 1024;
const minCheckedBytes = 4096;
const segmentName = /^segment-(\d{8,15})\.tar$/;
/** Files of version 0.1. */
const formerFile = /\.metrics\.gz$|^(origin|service-labels)\.json(\.tmp)?$/;

/**
 * The cache on disk: a log of tar segments. Each complete publication is appended with the scrapes that it names. When
 * all batches of a segment have expired, whatever the cache still needs is copied to a new segment, and it is removed. If
 * the log exceeds `maxLogBytes`, this also happens to the oldest segments, and their batches are lost with this process.
 */
export class DiskLog {
  readonly #options: DiskLogOptions;
  #segments: Segment[] = [];
  #writer: SegmentWriter | undefined;
  #nextSegment = 1;
  readonly #logged = new Map<string, Segment>();
  #queue: Promise<void> = Promise.resolve();
  #queued = 0;
  #queuedBytes = 0;
  /** Whether publications are not written until the queue is empty. Otherwise, a flood would fill it again at once. */
  #isBehind = false;
  #failing = false;
  /** Whether the log has exceeded its limit, which is reported once. */
  #exceeded = false;

  constructor(options: DiskLogOptions) {
    this.#options = options;
  }

  /** Whether the last write failed. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Loads the segments of an earlier process into the cache. Logs an error if the folder cannot be read. */
  async load(): Promise<void> {
    const { folder, logger } = this.#options;
    try {
      await prepareCacheFolder(folder);
      const names = await readdir(folder);
      await this.#removeFormerFiles(names.filter((name) => formerFile.test(name)));
      const numbers = names
        .flatMap((name) => Number(segmentName.exec(name)?.[1] ?? []) || [])
        .sort((a, b) => a - b);
      this.#nextSegment = (numbers.at(-1) ?? 0) + 1;
      this.#segments = await loadSegments(
        numbers.map((number) => this.#pathOf(number)),
        this.#options,
      );
      for (const segment of this.#segments)
        for (const key of segment.scrapes.keys()) this.#logged.set(key, segment);
    } catch (error) {
      this.#failed(error);
      return;
    }
    const { scrapes } = this.#options.cache.totals;
    if (scrapes > 0) logger.info("cache loaded from disk", { folder, scrapes });
  }

  /** Appends a publication, and its scrapes that are not in the log yet, in the background. */
  append(held: HeldPublication): void {
    const isFull = this.#queued >= maxQueued || this.#queuedBytes > this.#options.budget.maxBytes / 4;
    if (this.#isBehind || isFull) {
      this.#isBehind = true;
      this.#failed(new Error("too many publications wait for the disk"));
      return;
    }
    this.#queued++;
    this.#queuedBytes += held.size;
    this.#queue = this.#queue
      .then(() => this.#append(held))
      .then(
        () => this.#recovered(),
        (error) => this.#failed(error),
      )
      .finally(() => {
        this.#queued--;
        this.#queuedBytes -= held.size;
        if (this.#queued === 0) this.#isBehind = false;
      });
  }

  /** Resolves when all appended publications are written or have failed. */
  async written(): Promise<void> {
    await this.#queue;
  }

  /** Resolves when all writes are complete or have failed, and the last segment is closed. */
  async close(): Promise<void> {
    await this.#queue;
    await this.#closeSegment().catch((error) => this.#failed(error));
  }

  async #append(held: HeldPublication): Promise<void> {
    const { publication } = held;
    const segment = await this.#currentSegment();
    const mtime = this.#wallTime(held.at);
    const members: TarMember[] = [];
    let checked = 0;
    const added: { readonly origin: string; readonly number: number }[] = [];
    if (publication.kind === "batch") {
      for (const number of scrapesNamedBy(publication)) {
        const member = this.#logged.has(scrapeKey(publication.origin, number))
          ? undefined
          : this.#options.cache.feed(publication.origin)?.scrapeMember(number, mtime);
        if (member === undefined) continue;
        members.push(member);
        // The checksums take a millisecond per megabyte.
        checked += member.body.length + minCheckedBytes;
        if (checked > checkedPerStep) {
          checked = 0;
          await setImmediate();
        }
        added.push({ origin: publication.origin, number });
      }
    }
    // After a failed write some documents are not on disk, and each is published only once.
    const publications = this.#failing ? [...this.#options.cache.documents(), held] : [held];
    for (const one of publications) members.push(publicationMember(one, this.#wallTime(one.at)));
    await this.#write(members);
    for (const scrape of added) this.#note(segment, scrape);
    for (const one of publications) notePublication(segment, one);
    await this.#removeSegments();
  }

  /** Appends members. After a failure, later members go to a new segment. */
  async #write(members: readonly TarMember[]): Promise<void> {
    const writer = this.#writer;
    try {
      await writer?.append(members);
      this.#segments.at(-1)!.bytes = writer?.size ?? 0;
    } catch (error) {
      await this.#closeSegment().catch(() => undefined);
      if (writer?.size === 0) await this.#removeSegment(writer.path);
      throw error;
    }
  }

  async #currentSegment(): Promise<Segment> {
    const { clock, folder, history } = this.#options;
    const current = this.#segments.at(-1);
    if (this.#writer !== undefined && current !== undefined) {
      const isOld = clock.monotonic() - current.openedAt > history * 1000;
      if (!isOld && this.#writer.size < maxSegmentBytes) return current;
      await this.#closeSegment();
    }
    await prepareCacheFolder(folder);
    this.#writer = await SegmentWriter.create(this.#pathOf(this.#nextSegment++));
    const segment = emptySegment(this.#writer.path, clock.monotonic());
    this.#segments.push(segment);
    return segment;
  }

  async #closeSegment(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.close();
  }

  /** Removes segments in which all batches have expired, and the oldest ones if the log is too large. */
  async #removeSegments(): Promise<void> {
    const { clock, history, budget, folder, logger } = this.#options;
    const historyStart = clock.monotonic() - history * 1000;
    const maxBytes = maxLogBytes(budget);
    let isTooLarge = this.#bytes > maxBytes;
    for (const segment of this.#segments.slice(0, -1)) {
      if (segment.lastBatch >= historyStart && !isTooLarge) continue;
      if (isTooLarge && !this.#exceeded)
        logger.warn("cache on disk too large: removing its oldest files", { folder, maxBytes });
      this.#exceeded ||= isTooLarge;
      await this.#copyForward(segment);
      await this.#removeSegment(segment.path);
      isTooLarge = this.#bytes > maxBytes;
    }
  }

  get #bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Ignores files that cannot be removed, such as a folder named like a segment. */
  async #removeSegment(path: string): Promise<void> {
    await rm(path, { force: true }).catch(() => undefined);
    this.#segments = this.#segments.filter((other) => other.path !== path);
  }

  async #copyForward(segment: Segment): Promise<void> {
    const current = this.#segments.at(-1)!;
    const mtime = this.#options.clock.now();
    const members: TarMember[] = [];
    const scrapes = [...segment.scrapes].filter(([key]) => this.#logged.get(key) === segment);
    const copied = scrapes.flatMap(([, scrape]) => {
      const member = this.#options.cache.feed(scrape.origin)?.scrapeMember(scrape.number, mtime);
      if (member === undefined) return [];
      members.push(member);
      return [scrape];
    });
    const documents = this.#options.cache
      .documents()
      .filter(({ publication }) => segment.documents.has(documentKey(publication)));
    for (const held of documents) members.push(publicationMember(held, this.#wallTime(held.at)));
    if (members.length > 0) await this.#write(members);
    for (const [key] of scrapes) this.#logged.delete(key);
    for (const scrape of copied) this.#note(current, scrape);
    for (const held of documents) notePublication(current, held);
  }

  async #removeFormerFiles(names: readonly string[]): Promise<void> {
    const { folder, logger } = this.#options;
    if (names.length === 0) return;
    logger.info("removing cache files of an earlier version", { folder, files: names.length });
    for (const name of names) await rm(join(folder, name), { force: true }).catch(() => undefined);
  }

  #note(segment: Segment, scrape: { readonly origin: string; readonly number: number }): void {
    const key = scrapeKey(scrape.origin, scrape.number);
    segment.scrapes.set(key, scrape);
    this.#logged.set(key, segment);
  }

  #wallTime(at: number): number {
    const { clock } = this.#options;
    return clock.now() - (clock.monotonic() - at);
  }

  #pathOf(number: number): string {
    return join(this.#options.folder, `segment-${String(number).padStart(8, "0")}.tar`);
  }

  #failed(error: unknown): void {
    if (this.#failing) return;
    this.#failing = true;
    const { folder, logger } = this.#options;
    logger.error("cache not written to disk: continuing from memory", {
      folder,
      error: describeError(error),
    });
  }

  #recovered(): void {
    if (!this.#failing || this.#isBehind) return;
    this.#failing = false;
    this.#options.logger.info("cache written to disk again", { folder: this.#options.folder });
  }
}
