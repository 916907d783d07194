import { crc32 } from "node:zlib";
import { readMemberName, scrapeKey } from "../../archive/members.js";
import { inflatePublication, readPublication, statedSize } from "../../archive/publication-json.js";
import type { StreamedMember, TarHeader } from "../../archive/tar-reader.js";
import { BoundedMap } from "../../bounded-map.js";
import { describeError } from "../../errors.js";
import { type Batch, type Publication, succeeded } from "../../model/publication.js";
import { type FailureReason, PeerError } from "../peer-error.js";
import { type MessageOf, maxFetched, maxOrigins } from "../wire/messages.js";
import type { LinkEnd } from "./context.js";
import type { OwnName } from "./own-name.js";

/** A scrape that a batch named. */
interface Wanted {
  readonly origin: string;
  readonly number: number;
  /** Uncompressed size in bytes, as stated in the batch. */
  readonly size: number;
}

/** Limits for requested scrapes: their number and uncompressed bytes. A single scrape is always allowed. */
const maxOutstanding = maxFetched;
const maxOutstandingBytes = 256 * 1024 * 1024;
/** How many scrapes that this link could not deliver are remembered. */
const maxFailed = 10_000;
/** The most JSON of a publication that is decoded at once with others. */
const smallPublicationBytes = 256 * 1024;
const gzipMagic = Buffer.from([0x1f, 0x8b, 8]);
const minGzipBytes = 20;

/** Adds the publications that this node follows on a link to the cache, and fetches the scrapes that they name. */
export class FeedReceiver {
  readonly #link: LinkEnd;
  readonly #ownName: OwnName;
  /** Not requested yet. By `<plain origin> <number>`, as in member names. */
  readonly #waiting = new Map<string, Wanted>();
  readonly #outstanding = new Map<string, Wanted & { readonly requestedAt: number }>();
  #outstandingBytes = 0;
  readonly #failed = new BoundedMap<string, true>(maxFailed);
  #lastByteAt = 0;
  /** Releases the memory for the scrape that is arriving. */
  #release = () => {};
  /** Whether a scrape waits for memory. */
  #isWaiting = false;
  #isStopped = false;
  /** Seconds from the request to the arrival of the last received scrape. */
  lastDuration: number | undefined;

  constructor(link: LinkEnd, ownName: OwnName) {
    this.#link = link;
    this.#ownName = ownName;
  }

  /**
   * Adds a publication to the cache. Skips and reports an invalid one. Ignores an origin that is no longer followed on
   * this link: another link sends the publication too.
   */
  async publication({ origin, number, age }: MessageOf<"publication">, body: Buffer): Promise<void> {
    const { cache, clock, origin: own } = this.#link.context;
    if (!this.#link.isFollowed(origin)) return;
    const receivedAt = clock.monotonic();
    let publication: Publication;
    let size: number;
    try {
      ({ publication, size } = await this.#decode(body));
      if (publication.origin !== origin || publication.number !== number)
        throw new Error("wrong origin or number");
    } catch (error) {
      this.#skip("invalid_entry", { origin, number, error: describeError(error) });
      cache.feed(origin)?.skip(number);
      return;
    }
    // If the link has failed in the meantime, nothing more is requested on it.
    if (!this.#link.isFollowed(origin)) return;
    if (origin === own && !this.#ownName.accept(publication, receivedAt - age)) return;
    const isNew = cache.feed(origin) === undefined;
    if (isNew && [...cache.feeds()].length >= maxOrigins) {
      // Not the fault of a peer that only forwards it.
      this.#skip("limit", { origin, error: `more than ${maxOrigins} origins` });
      return this.#link.postpone(origin);
    }
    const held = { publication, bytes: body, size, at: receivedAt - age };
    const missing = new Set(cache.add(held));
    // The first publication may be an old document, although the origin still publishes.
    if (isNew) cache.feed(origin)?.publishedAt(this.#link.have.get(origin)?.newestAt ?? held.at);
    cache.feed(origin)?.abandonBefore(number, (scrape) => this.#isRequested(origin, scrape));
    if (publication.kind !== "batch") {
      const feed = cache.feed(origin);
      const document = publication.kind === "targets" ? feed?.targetsDocument : feed?.swarmDocument;
      if ((document?.publication.number ?? 0) < number) this.#link.postpone(origin);
      return;
    }
    this.#want(publication, missing);
    this.#request();
  }

  /** Large publications are decoded one at a time, so that they take the memory of one. */
  #decode(body: Buffer): Promise<{ readonly publication: Publication; readonly size: number }> {
    const { arriving, scheduler } = this.#link.context;
    const decode = async () => {
      const json = await inflatePublication(body);
      return { publication: await scheduler.run(readPublication(json)), size: json.length };
    };
    return statedSize(body) > smallPublicationBytes ? arriving.oneAtATime(decode) : decode();
  }

  /** Fetches the scrapes of an origin that other links could not deliver. To be called when it is followed here. */
  fetchMissing(origin: string): void {
    const feed = this.#link.context.cache.feed(origin);
    for (const { publication } of feed?.batches ?? []) {
      this.#want(publication, new Set(feed?.scrapes.missingOf(publication)));
    }
    this.#request();
  }

  #want({ origin, attempts }: Batch, missing: Set<number>): void {
    for (const attempt of attempts) {
      if (!succeeded(attempt) || !missing.delete(attempt.outcome.number)) continue;
      const { number, size } = attempt.outcome;
      const key = scrapeKey(origin, number);
      if (this.#failed.get(key)) this.#link.context.cache.feed(origin)?.giveUp(number);
      else if (!this.#outstanding.has(key)) this.#waiting.set(key, { origin, number, size });
    }
  }

  absent({ origin, numbers }: MessageOf<"absent">): void {
    for (const number of numbers) {
      const wanted = this.#settle(scrapeKey(origin, number));
      if (wanted !== undefined) this.#giveUp(wanted);
    }
    this.#request();
  }

  /** Whether a scrape may arrive: it was requested. Waits for memory. @throws PeerError */
  async accept({ name, size }: TarHeader): Promise<boolean> {
    const { arriving, maxScrapeBytes } = this.#link.context;
    const member = readMemberName(name);
    const wanted = member && this.#outstanding.get(scrapeKey(member.origin, member.number));
    if (wanted === undefined) throw new PeerError("protocol", "received a scrape that was not requested");
    if (size > maxScrapeBytes) {
      this.#skip("limit", { origin: wanted.origin, number: wanted.number, error: `scrape of ${size} bytes` });
      return false;
    }
    const late = () => this.#link.fail(new PeerError("timeout", "peer takes too long to send a scrape"));
    this.#isWaiting = true;
    this.#release = await arriving.take(size, late);
    this.#isWaiting = false;
    this.bytesArrived();
    if (this.#isStopped) this.#release();
    return true;
  }

  /** Adds a scrape to the cache. Skips and reports an invalid one. */
  scrape({ name, body }: StreamedMember): void {
    const { cache, budget, onScrapes } = this.#link.context;
    const member = readMemberName(name)!;
    const wanted = this.#settle(scrapeKey(member.origin, member.number));
    this.#release();
    const fault = wanted && body && faultOf(body, member.crc, wanted.size);
    const isValid = wanted !== undefined && body !== undefined && fault === undefined;
    if (!isValid || !budget.take(body.length, wanted.origin)) {
      if (fault !== undefined) this.#skip("invalid_entry", { ...wanted, error: fault });
      if (wanted !== undefined) this.#giveUp(wanted);
    } else {
      cache.addScrape(wanted.origin, wanted.number, body);
      onScrapes("in", 1);
    }
    this.#request();
  }

  /** Notes that bytes of a scrape arrived. */
  bytesArrived(): void {
    this.#lastByteAt = this.#link.context.clock.monotonic();
  }

  /** @throws PeerError `timeout` */
  checkTime(): void {
    const { clock, timeouts } = this.#link.context;
    const now = clock.monotonic();
    const [oldest] = this.#outstanding.values();
    if (oldest === undefined) return;
    if (!this.#isWaiting && now - Math.max(this.#lastByteAt, oldest.requestedAt) > timeouts.idle) {
      throw new PeerError("timeout", `no data of a requested scrape for ${timeouts.idle / 1000} s`);
    }
    if (now - oldest.requestedAt > timeouts.fetch) {
      throw new PeerError("timeout", `requested scrapes took more than ${timeouts.fetch / 1000} s`);
    }
  }

  /** Releases the reserved memory. Scrapes that did not arrive are fetched on other links. */
  stop(): void {
    this.#isStopped = true;
    this.#release();
    this.#waiting.clear();
    this.#outstanding.clear();
  }

  #request(): void {
    const { channels, context } = this.#link;
    const requestedAt = context.clock.monotonic();
    const byOrigin = new Map<string, number[]>();
    for (const [key, wanted] of this.#waiting) {
      const isAlone = this.#outstanding.size === 0;
      const isTooMuch = this.#outstandingBytes + wanted.size > maxOutstandingBytes;
      if (this.#outstanding.size >= maxOutstanding || (isTooMuch && !isAlone)) break;
      this.#waiting.delete(key);
      this.#outstanding.set(key, { ...wanted, requestedAt });
      this.#outstandingBytes += wanted.size;
      const numbers = byOrigin.get(wanted.origin) ?? [];
      byOrigin.set(wanted.origin, numbers);
      numbers.push(wanted.number);
    }
    for (const [origin, numbers] of byOrigin)
      channels.send({ kind: "fetch", origin, numbers }).catch((error) => this.#link.fail(error));
  }

  #settle(key: string): Wanted | undefined {
    const wanted = this.#outstanding.get(key);
    if (wanted === undefined) return undefined;
    this.#outstanding.delete(key);
    this.#outstandingBytes -= wanted.size;
    this.lastDuration = (this.#link.context.clock.monotonic() - wanted.requestedAt) / 1000;
    return wanted;
  }

  #isRequested(origin: string, number: number): boolean {
    const key = scrapeKey(origin, number);
    return this.#outstanding.has(key) || this.#waiting.has(key);
  }

  #giveUp({ origin, number }: Wanted): void {
    this.#failed.set(scrapeKey(origin, number), true);
    this.#link.context.cache.feed(origin)?.giveUp(number);
  }

  #skip(reason: FailureReason, fields: object): void {
    const { context, peer } = this.#link;
    context.onSkipped(reason);
    context.logger.warn("invalid item from peer skipped", { peer: peer?.origin, reason, ...fields });
  }
}

/**
 * Checks the frame of a gzip stream (RFC 1952, 2.3). It is not inflated here: its origin has checked it, and each node
 * checks it fully before its first use, which for most scrapes never happens.
 */
function faultOf(gzip: Buffer, crc: number, size: number): string | undefined {
  if (crc32(gzip) !== crc) return "wrong checksum";
  if (gzip.length < minGzipBytes || !gzip.subarray(0, gzipMagic.length).equals(gzipMagic))
    return "not a gzip stream";
  if (gzip.readUInt32LE(gzip.length - 4) !== size % 2 ** 32)
    return "uncompressed size differs from the stated size";
  return undefined;
}
