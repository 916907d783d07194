import { type Logger, silentLogger } from "../../logging.js";
import type { MemoryBudget } from "../../memory-budget.js";
import type { Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { Scheduler, Work } from "../../scheduler.js";
import type { FederatedAttempt } from "./attempt-history.js";
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
  withFittingHistory,
} from "./preparation.js";
import { type ReadCache, ScrapeReader } from "./scrape-reader.js";
import { type QueuedWork, type Resources, UnavailableError, WorkQueue } from "./work-queue.js";

/** More scrapes are not merged: reading them would take seconds. */
const maxMergedScrapes = 10_000;
/** A check of one scrape needs little memory, however large it is. */
const maxCheckBytes = 4 * 1024 * 1024;

/** A request for a response. */
export type ResponseRequest = Preparation & {
  /** What the response is for: responses of one name are prepared one after the other. */
  readonly name: string;
  /** Aborts when the client disconnects. */
  readonly client: AbortSignal;
};

type AnyPart = Part | FederatedAttempt;

interface Kept {
  readonly parts: readonly AnyPart[];
  readonly response: PreparedResponse;
}

interface Pending {
  readonly parts: readonly AnyPart[];
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
  /** The works that prepare responses. */
  readonly queue: WorkQueue;
  /** The least recently used first. */
  readonly #kept = new Map<string, Kept>();
  readonly #pending = new Map<string, Pending>();
  readonly #checks = new Map<Scrape["gzip"], QueuedWork<boolean>>();
  readonly #omissions = new Map<
    string,
    { readonly parts: readonly AnyPart[]; readonly omissions: readonly Omission[] }
  >();
  /** Scrapes that `/federate` omits. */
  readonly #slow: OmittedScrapes;
  #additionsUntilPruning = 0;
  #omitsHistory = false;

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
    this.queue = new WorkQueue(memory, scheduler);
  }

  /** Whether these scrapes can be merged into one response. */
  canMerge(scrapes: readonly Scrape[]): boolean {
    const parts = scrapes.map((scrape) => ({ scrape }));
    return scrapes.length <= maxMergedScrapes && this.queue.canRun(bytesFor({ kind: "text", parts }));
  }

  /**
   * Prepares a response, or returns the one that is kept.
   *
   * @throws UnavailableError if it is too large, or too many responses are being prepared; RangeError for OpenMetrics
   * made of a scrape in the text format; the reason of `client` if that aborts.
   */
  async get(given: ResponseRequest): Promise<PreparedResponse> {
    const { client } = given;
    const request = given.kind === "federate" ? { ...given, parts: this.#fitting(given.parts) } : given;
    const variant = request.kind === "federate" ? `${request.into} ${request.variant}` : request.identified;
    const { parts } = request;
    const key = [request.kind, variant, ...new Set(parts.map(targetKeyOfPart))].join("\n");
    const kept = this.#kept.get(key);
    if (kept !== undefined && areSame(kept.parts, parts)) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return kept.response;
    }
    const pending = this.#pending.get(key);
    if (pending !== undefined && areSame(pending.parts, parts)) return await pending.work.resultFor(client);
    return await this.#add(key, request, given.parts.length - parts.length).resultFor(client);
  }

  /** Whether the bytes of a scrape are good. Checks them unless that was done before. @throws as `get` does. */
  async check(name: string, scrape: Scrape, client: AbortSignal): Promise<boolean> {
    const { gzip, size } = scrape;
    if (this.reader.isChecked(scrape)) return true;
    let work = this.#checks.get(gzip);
    if (work === undefined) {
      const bytes = Math.min(2 * size, maxCheckBytes);
      work = this.queue.add({ name, bytes, start: ({ cpu }) => this.reader.check(scrape, cpu) });
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

  #fitting(parts: readonly FederatedAttempt[]): readonly FederatedAttempt[] {
    const readable = parts.map((part) => {
      const { scrape } = part;
      if (scrape === undefined || this.queue.canRun(bytesFor({ kind: "federate", parts: [part] })))
        return part;
      this.#slow.add(scrape, "scrape is too large for MEMORY_MAX_BYTES");
      return { ...part, scrape: undefined };
    });
    return withFittingHistory(readable, (bytes) => this.queue.canRun(bytes));
  }

  /** @param omitted how many attempts of the history do not fit into memory. */
  #add(key: string, request: ResponseRequest, omitted: number): QueuedWork<PreparedResponse> {
    const { name, parts } = request;
    const bytes = bytesFor(request);
    if (!this.queue.canRun(bytes)) throw new UnavailableError("too large to merge");
    const work = this.queue.add({
      name,
      bytes,
      start: (resources) => this.#prepare(key, request, omitted, resources),
    });
    this.#pending.set(key, { parts, work });
    work.onEnd(() => {
      // A newer one for the same key may have begun in the meantime.
      if (this.#pending.get(key)?.work === work) this.#pending.delete(key);
    });
    return work;
  }

  *#prepare(
    key: string,
    request: ResponseRequest,
    omitted: number,
    resources: Resources,
  ): Work<PreparedResponse> {
    const { name, parts } = request;
    const preparing = { reader: this.reader, slow: this.#slow, limits: this.limits };
    const prepared = yield* prepare(preparing, request, resources);
    const response = { ...prepared, omittedHistory: prepared.omittedHistory + omitted };
    resources.memory.release();
    if (response.omittedHistory > 0 || parts.some((part) => "isHistory" in part && part.isHistory)) {
      this.#reportHistory(response.omittedHistory);
    }
    if (response.failure !== undefined) {
      const instances = request.parts
        .slice(0, 10)
        .map((part) => instanceOf("isHistory" in part ? part : part.scrape));
      this.logger.error("merge failed until the next scrape", { name, instances, reason: response.failure });
    }
    if (this.#pending.get(key)?.parts === parts) this.#keep(key, parts, response);
    return response;
  }

  /** Logs when responses begin to omit history, and when they no longer do. */
  #reportHistory(omitted: number): void {
    if (omitted > 0 === this.#omitsHistory) return;
    this.#omitsHistory = omitted > 0;
    if (omitted === 0) this.logger.info("/federate has the requested history again");
    else
      this.logger.warn("/federate omits old scrapes: request less history, or raise MEMORY_MAX_BYTES", {
        omitted,
      });
  }

  #keep(key: string, parts: readonly AnyPart[], response: PreparedResponse): void {
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
    const outdated = ({ parts }: { readonly parts: readonly AnyPart[] }) =>
      !parts.every(
        (part) =>
          part.scrape === undefined ||
          ("isHistory" in part && part.isHistory) ||
          this.cache.holds(part.scrape),
      );
    for (const [key, kept] of this.#kept) if (outdated(kept)) this.#drop(key);
    for (const [key, one] of this.#omissions) if (outdated(one)) this.#omissions.delete(key);
    this.#additionsUntilPruning = this.#kept.size + this.#omissions.size;
  }
}

function targetKeyOfPart(part: AnyPart): string {
  const { origin, id } = "isHistory" in part ? part : part.scrape;
  return `${origin} ${id}`;
}

/** Whether a response made of some parts serves for others, too, which have the same targets. */
function areSame(some: readonly AnyPart[], others: readonly AnyPart[]): boolean {
  return (
    some.length === others.length &&
    some.every((part, index) => {
      const other = others[index]!;
      return part.scrape?.gzip === other.scrape?.gzip && timeOf(part) === timeOf(other);
    })
  );
}

function timeOf(part: AnyPart): number | undefined {
  return "isHistory" in part ? part.scrapedAt : undefined;
}
