import pLimit, { type LimitFunction } from "p-limit";
import type { Cache } from "../cache/cache.js";
import type { TargetChange, TargetProvider } from "../discovery/provider.js";
import { describeError } from "../errors.js";
import { ScrapeError } from "../fetch/scrape-error.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import { type Scrape, unpublished } from "../model/scrape.js";
import type { ProviderStatus, TargetStatus } from "../model/target-status.js";
import type { Telemetry } from "../telemetry.js";
import type { Scraper } from "./http-scraper.js";
import { type Probed, probe } from "./probe.js";
import { settlingRetries } from "./schedule.js";
import { TargetBook } from "./target-book.js";
import type { TargetRecord } from "./target-record.js";

export interface ScannerOptions {
  readonly providers: readonly TargetProvider[];
  readonly scraper: Scraper;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** Seconds between cycles. */
  readonly interval: number;
  /** Targets that are scraped at once. */
  readonly concurrency: number;
  /** Hostname of this node, once it is known. */
  readonly node: () => string;
  /** Ends everything that the scanner has under way. */
  readonly signal: AbortSignal;
}

/** Lists, probes and scrapes this node's targets and puts what they say into the cache. */
export class Scanner {
  readonly #options: ScannerOptions;
  readonly #book: TargetBook;
  readonly #limit: LimitFunction;
  readonly #failing = new Map<string, { readonly since: number; readonly reason: string }>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Names of the providers that will be asked for their list in a moment. */
  readonly #soon = new Set<string>();
  /** The last list that a change asked for, by provider. */
  readonly #listing = new Map<string, Promise<TargetRecord[]>>();

  constructor(options: ScannerOptions) {
    this.#options = options;
    this.#book = new TargetBook(options);
    this.#limit = pLimit(options.concurrency);
    options.signal.addEventListener("abort", () => this.#stop(), { once: true });
  }

  /**
   * One cycle: scrapes what is known and due while the providers list, then what the lists brought. It never
   * rejects: what goes wrong is kept with the target or the provider, and logged when it begins and ends.
   */
  async cycle(): Promise<void> {
    const { clock, telemetry, cache } = this.#options;
    const begun = clock.monotonic();
    telemetry.lastScan.set(clock.now() / 1000);
    await Promise.all([
      this.#scrapeAll(this.#book.all()),
      ...this.#options.providers.map(async (provider) => this.#scrapeAll(await this.#list(provider))),
    ]);
    cache.dropStale();
    telemetry.scanDuration.observe((clock.monotonic() - begun) / 1000);
  }

  /** Follows the providers' changes between cycles until the signal aborts. */
  async watch(): Promise<void> {
    const { providers, signal } = this.#options;
    await Promise.all(
      providers.map((provider) => provider.watch((change) => this.#changed(provider, change), signal)),
    );
  }

  statuses(): TargetStatus[] {
    return this.#book.all().map((record) => record.status());
  }

  providerStatuses(): ProviderStatus[] {
    return this.#options.providers.map(({ name }) => {
      const failing = this.#failing.get(name);
      return failing === undefined ? { name } : { name, failing };
    });
  }

  /** Asks a provider for its list; returns the records that came with it, none where it failed. */
  async #list(provider: TargetProvider): Promise<TargetRecord[]> {
    const { clock, logger, telemetry, signal } = this.#options;
    const begun = clock.monotonic();
    try {
      const targets = await provider.list(signal);
      if (signal.aborted) return [];
      if (this.#failing.delete(provider.name)) {
        logger.info("the list of targets is there again", { provider: provider.name });
      }
      return this.#book.takeList(provider.name, targets, begun);
    } catch (error) {
      if (signal.aborted) return [];
      const reason = describeError(error);
      telemetry.discoveryFailures.inc({ provider: provider.name });
      if (!this.#failing.has(provider.name)) {
        logger.error("the list of targets cannot be had: the known ones go on being scraped", {
          provider: provider.name,
          error: reason,
        });
      }
      const since = this.#failing.get(provider.name)?.since ?? clock.now();
      this.#failing.set(provider.name, { since, reason });
      return [];
    }
  }

  #changed(provider: TargetProvider, change: TargetChange): void {
    if (change.kind === "stopped") {
      this.#book.takeStop(change.id);
      return;
    }
    if (change.kind === "started") {
      this.#book.takeStart(change.id);
      const again = async () => {
        const record = this.#book.get(change.id);
        if (record === undefined) this.#listSoon(provider);
        else if (!record.isUp) await this.#scrape(record);
      };
      for (const seconds of settlingRetries) this.#later(seconds, again);
    }
    this.#listSoon(provider);
  }

  /**
   * Lists once for the changes that come together, as when a stack is deployed. Those that come while that list is under
   * way wait for it and have one more: an engine that is slow gets no more to do by that.
   */
  #listSoon(provider: TargetProvider): void {
    if (this.#soon.has(provider.name)) return;
    this.#soon.add(provider.name);
    this.#later(0.05, async () => {
      await this.#listing.get(provider.name);
      this.#soon.delete(provider.name);
      const list = this.#list(provider);
      this.#listing.set(provider.name, list);
      await this.#scrapeAll(await list);
    });
  }

  #later(seconds: number, work: () => Promise<void>): void {
    if (this.#options.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work().catch((error) => {
        this.#options.logger.error("a scan between two cycles failed", { error: describeError(error) });
      });
    }, seconds * 1000);
    this.#timers.add(timer);
  }

  async #scrapeAll(records: readonly TargetRecord[]): Promise<void> {
    const now = this.#options.clock.monotonic();
    await Promise.all(records.filter((record) => record.isDue(now)).map((record) => this.#scrape(record)));
  }

  async #scrape(record: TargetRecord): Promise<void> {
    if (record.busy || record.urls.length === 0) return;
    record.busy = true;
    try {
      await this.#limit(() => this.#scrapeNow(record));
    } finally {
      record.busy = false;
    }
  }

  async #scrapeNow(record: TargetRecord): Promise<void> {
    const { clock, cache, telemetry, scraper, interval, signal } = this.#options;
    if (signal.aborted || record.signal.aborted) return;
    const at = clock.now();
    const begun = clock.monotonic();
    const { fetch } = record;
    let outcome: Probed | ScrapeError;
    try {
      outcome = await probe(scraper, fetch, record.winner, record.signal);
    } catch (error) {
      if (!(error instanceof ScrapeError)) throw error;
      outcome = error;
    }
    // The target went away while it was asked: whatever it said does not count.
    if (record.signal.aborted || !this.#book.holds(record)) return;
    // Nor where it is asked elsewhere by now: the old place would be remembered, and get the new credentials.
    if (record.differsFrom(fetch)) return;
    const duration = (clock.monotonic() - begun) / 1000;
    if (outcome instanceof ScrapeError) {
      telemetry.scrapes.inc({ outcome: outcome.outcome });
      this.#tellFailure(record, outcome);
      record.failed(outcome, at, duration, clock.monotonic(), interval);
    } else {
      telemetry.scrapes.inc({ outcome: "success" });
      this.#tellSuccess(record, outcome);
      record.succeeded(outcome, at, duration);
      cache.put(entryOf(record, outcome, { at, begun, duration, origin: this.#options.node() }));
    }
  }

  #tellSuccess(record: TargetRecord, { url, samples }: Probed): void {
    if (record.isUp && record.winner === url) return;
    this.#options.logger.info("metrics found", { target: record.target.title, url, samples });
  }

  #tellFailure(record: TargetRecord, error: ScrapeError): void {
    const fields = { target: record.target.title, reason: error.message };
    if (record.isUp) this.#options.logger.warn("a scrape failed that went well before", fields);
    else if (error.outcome === "credentials" && record.target.expected && record.reason !== error.message)
      this.#options.logger.warn("a target cannot be asked", fields);
    else this.#options.logger.debug("no metrics", fields);
  }

  #stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const record of this.#book.all()) record.end();
  }
}

function entryOf(
  { target }: TargetRecord,
  { gzip, contentType, size, samples, url }: Probed,
  scrape: { at: number; begun: number; duration: number; origin: string },
): Scrape {
  return {
    id: target.id,
    names: target.names,
    job: target.job,
    replica: target.replica,
    scope: target.scope,
    ...(target.stack === undefined ? {} : { stack: target.stack }),
    origin: scrape.origin,
    gzip,
    contentType,
    size,
    samples,
    url,
    scrapedAt: scrape.at,
    duration: scrape.duration,
    startedAt: target.startedAt,
    measuredAt: scrape.begun,
    ...unpublished,
  };
}
