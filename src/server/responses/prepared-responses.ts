import { type Logger, silentLogger } from "../../logging.js";
import type { MemoryBudget } from "../../memory-budget.js";
import type { Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { Scheduler, Work } from "../../scheduler.js";
import { HeldBodies } from "./held-bodies.js";
import { type Omission, OmittedScrapes } from "./omitted-scrapes.js";
import {
  bytesFor,
  type CpuLimits,
  defaultCpuLimits,
  type Part,
  type Preparation,
  type PreparedResponse,
  prepare,
} from "./preparation.js";
import { type ReadCache, ScrapeReader } from "./scrape-reader.js";
import { type QueuedWork, type Resources, UnavailableError, WorkQueue } from "./work-queue.js";

/** More scrapes are not merged: reading them would take seconds. */
const maxMergedScrapes = 10_000;
/** A check of one scrape needs little memory, however large it is. */
const maxCheckBytes = 4 * 1024 * 1024;

/** A request for a response. */
export interface ResponseRequest extends Preparation {
  /** What the response is for: responses of one name are prepared one after the other. */
  readonly name: string;
  /** Aborts when the client disconnects. */
  readonly client: AbortSignal;
}

interface Kept {
  readonly parts: readonly Part[];
  readonly response: PreparedResponse;
}

interface Pending {
  readonly parts: readonly Part[];
  readonly work: QueuedWork<PreparedResponse>;
}

/**
 * Prepares responses made of scrapes, and keeps them until a scrape changes, so that no work is done twice. Everything
 * that responses hold counts in one memory budget: the work, and the bodies that are kept or sent. The least recently
 * used response is evicted first.
 */
export class PreparedResponses {
  /** Inflates scrapes and knows the damaged ones. */
  readonly reader: ScrapeReader;
  readonly bodies: HeldBodies;
  readonly #queue: WorkQueue;
  /** The least recently used first. */
  readonly #kept = new Map<string, Kept>();
  readonly #pending = new Map<string, Pending>();
  readonly #checks = new Map<Scrape["gzip"], QueuedWork<boolean>>();
  readonly #omissions = new Map<
    string,
    { readonly parts: readonly Part[]; readonly omissions: readonly Omission[] }
  >();
  /** Scrapes that `/federate` omits. */
  readonly #slow: OmittedScrapes;
  #additionsUntilPruning = 0;

  /**
   * Registers evictors of `memory`.
   *
   * @param cache responses made of scrapes that it has replaced are dropped.
   * @param memory only for responses.
   * @param scheduler shared with all other work that takes long.
   * @param limits for each response.
   */
  constructor(
    private readonly cache: ReadCache,
    private readonly memory: MemoryBudget,
    scheduler: Scheduler,
    private readonly logger: Logger = silentLogger,
    private readonly limits: CpuLimits = defaultCpuLimits,
  ) {
    this.reader = new ScrapeReader(cache, logger);
    this.#slow = new OmittedScrapes(cache, (fields) =>
      logger.error("scrape is omitted from /federate until the next scrape", fields),
    );
    memory.addEvictor((bytesNeeded) => this.#evict(bytesNeeded));
    this.bodies = new HeldBodies(memory);
    this.#queue = new WorkQueue(memory, scheduler);
  }

  /** Whether these scrapes can be merged into one response. */
  canMerge(scrapes: readonly Scrape[]): boolean {
    const parts = scrapes.map((scrape) => ({ scrape }));
    return scrapes.length <= maxMergedScrapes && this.#queue.canRun(bytesFor({ kind: "text", parts }));
  }

  /**
   * Prepares a response, or returns the one that is kept.
   *
   * @throws UnavailableError if it is too large, or too many responses are being prepared; RangeError for OpenMetrics
   * made of a scrape in the text format; the reason of `client` if that aborts.
   */
  async get(request: ResponseRequest): Promise<PreparedResponse> {
    const { kind, client } = request;
    const parts = kind === "federate" ? this.#withoutTooLarge(request.parts) : request.parts;
    const key = [
      kind,
      request.identified,
      ...parts.map(({ scrape: { origin, id } }) => `${origin} ${id}`),
    ].join("\n");
    const kept = this.#kept.get(key);
    if (kept !== undefined && areSame(kept.parts, parts)) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return kept.response;
    }
    const pending = this.#pending.get(key);
    if (pending !== undefined && areSame(pending.parts, parts)) return await pending.work.resultFor(client);
    return await this.#add(key, { ...request, parts }).resultFor(client);
  }

  /** Whether the bytes of a scrape are good. Checks them unless that was done before. @throws as `get` does. */
  async check(name: string, scrape: Scrape, client: AbortSignal): Promise<boolean> {
    const { gzip, size } = scrape;
    if (this.reader.isChecked(scrape)) return true;
    let work = this.#checks.get(gzip);
    if (work === undefined) {
      const bytes = Math.min(2 * size, maxCheckBytes);
      work = this.#queue.add({ name, bytes, start: ({ cpu }) => this.reader.check(scrape, cpu) });
      this.#checks.set(gzip, work);
      work.onEnd(() => this.#checks.delete(gzip));
    }
    return await work.resultFor(client);
  }

  /** What current responses omit: conflicting metric families, and damaged and slow scrapes. */
  omissions(): Omission[] {
    this.#prune();
    const ofResponses = [...this.#omissions.values()].flatMap(({ omissions }) => omissions);
    return [...this.reader.omissions(), ...this.#slow.list(), ...ofResponses];
  }

  #withoutTooLarge(parts: readonly Part[]): readonly Part[] {
    return parts.filter((part) => {
      const fits = this.#queue.canRun(bytesFor({ kind: "federate", parts: [part] }));
      if (!fits) this.#slow.add(part.scrape, "scrape is too large for MEMORY_MAX_BYTES");
      return fits;
    });
  }

  #add(key: string, request: ResponseRequest): QueuedWork<PreparedResponse> {
    const { name, parts } = request;
    const bytes = bytesFor(request);
    if (!this.#queue.canRun(bytes)) throw new UnavailableError("too large to merge");
    const work = this.#queue.add({
      name,
      bytes,
      start: (resources) => this.#prepare(key, request, resources),
    });
    this.#pending.set(key, { parts, work });
    work.onEnd(() => {
      // A newer one for the same key may have begun in the meantime.
      if (this.#pending.get(key)?.work === work) this.#pending.delete(key);
    });
    return work;
  }

  *#prepare(key: string, request: ResponseRequest, resources: Resources): Work<PreparedResponse> {
    const { name, parts } = request;
    const response = yield* prepare(
      { reader: this.reader, slow: this.#slow, limits: this.limits },
      request,
      resources,
    );
    resources.memory.release();
    if (response.failure !== undefined) {
      const instances = parts.slice(0, 10).map(({ scrape }) => instanceOf(scrape));
      this.logger.error("merge failed until the next scrape", { name, instances, reason: response.failure });
    }
    if (this.#pending.get(key)?.parts === parts) this.#keep(key, parts, response);
    return response;
  }

  #keep(key: string, parts: readonly Part[], response: PreparedResponse): void {
    this.#omissions.delete(key);
    const { omissions } = response;
    if (omissions.length > 0) this.#omissions.set(key, { parts, omissions });
    this.#drop(key);
    if (this.bodies.keep(response.gzip)) this.#kept.set(key, { parts, response });
    // Not every time: that would be quadratic.
    if (--this.#additionsUntilPruning <= 0) this.#prune();
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.memory.give(this.bodies.drop(kept.response.gzip));
  }

  #evict(bytesNeeded: number): number {
    let freed = 0;
    for (const [key, { response }] of this.#kept) {
      if (freed >= bytesNeeded) break;
      if (response.failure !== undefined || this.bodies.isRead(response.gzip)) continue;
      this.#kept.delete(key);
      freed += this.bodies.drop(response.gzip);
    }
    return freed;
  }

  /** Drops what is made of scrapes that the cache has replaced. */
  #prune(): void {
    const outdated = ({ parts }: { readonly parts: readonly Part[] }) =>
      !parts.every(({ scrape }) => this.cache.holds(scrape));
    for (const [key, kept] of this.#kept) if (outdated(kept)) this.#drop(key);
    for (const [key, one] of this.#omissions) if (outdated(one)) this.#omissions.delete(key);
    this.#additionsUntilPruning = this.#kept.size + this.#omissions.size;
  }
}

/** Whether a response made of some parts serves for others, too, which have the same ids. */
function areSame(some: readonly Part[], others: readonly Part[]): boolean {
  return some.every(({ scrape, timestamp }, index) => {
    const other = others[index]!;
    return scrape.gzip === other.scrape.gzip && timestamp === other.timestamp;
  });
}
