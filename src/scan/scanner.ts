import { setMaxListeners } from "node:events";
import pLimit, { type LimitFunction } from "p-limit";
import type { Publisher } from "../cache/publisher.js";
import { DeadlineError, withDeadline } from "../deadline.js";
import type { TargetChange, TargetProvider } from "../discovery/provider.js";
import { describeError } from "../errors.js";
import { ScrapeError } from "../fetch/scrape-error.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import type { ProviderStatus, TargetStatus } from "../model/target-status.js";
import type { Telemetry } from "../telemetry.js";
import type { Scraper } from "./http-scraper.js";
import { type Probed, probe } from "./probe.js";
import { TargetBook } from "./target-book.js";
import type { TargetRecord } from "./target-record.js";

/** Seconds after the start of a container at which it is scraped, until it has metrics: it may not listen yet. */
const settlingRetries: readonly number[] = [0.25, 0.6, 1.2, 2.5, 5];

export interface ScannerOptions {
  readonly providers: readonly TargetProvider[];
  readonly scraper: Scraper;
  /** Publishes the attempts. */
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** Seconds between cycles. */
  readonly interval: number;
  /** The maximum number of concurrent scrapes. */
  readonly concurrency: number;
  /** Stops the scanner. */
  readonly signal: AbortSignal;
}

/** Scrapes the targets of this node in cycles and has every attempt published. */
export class Scanner {
  readonly #options: ScannerOptions;
  readonly #book: TargetBook;
  readonly #limit: LimitFunction;
  readonly #failing = new Map<string, { readonly since: number; readonly reason: string }>();
  readonly #inProgress = new Map<TargetRecord, Promise<void>>();
  #isFirst = true;
  #endFirst = (): void => {};
  /** Resolves when all targets that the first cycle found have been scraped, successfully or not. */
  readonly firstScan = new Promise<void>((resolve) => {
    this.#endFirst = resolve;
  });
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Names of the providers that are about to list their targets. */
  readonly #soon = new Set<string>();
  /** The list in progress, by provider: a slow engine never handles two at once. */
  readonly #listing = new Map<string, Promise<TargetRecord[]>>();

  constructor(options: ScannerOptions) {
    this.#options = options;
    this.#book = new TargetBook(options.publisher, options.logger, options.interval);
    this.#limit = pLimit(options.concurrency);
    options.signal.addEventListener("abort", () => this.#stop(), { once: true });
    // Each scrape in progress listens.
    setMaxListeners(0, options.signal);
  }

  /**
   * Runs one cycle: scrapes the known targets that are due while the providers list theirs, then the new ones. It ends
   * when these scrapes have ended, after one interval at the latest; what is in progress then continues, and later cycles
   * neither repeat nor await it. Never rejects: failures are recorded with the target or the provider, and logged when
   * they begin and end.
   */
  async cycle(): Promise<void> {
    const { clock, telemetry, publisher, providers, interval, signal } = this.#options;
    const begun = clock.monotonic();
    telemetry.lastScan.set(clock.now() / 1000);
    const known = this.#book.all();
    telemetry.scrapesSkipped.inc(known.filter(({ busy }) => busy).length);
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const listed = isFirst ? providers : providers.filter(({ name }) => !this.#listing.has(name));
    const scrapes = Promise.all([
      this.#scrapeAll(known),
      ...listed.map(async (provider) =>
        this.#scrapeAll(await (this.#listing.get(provider.name) ?? this.#list(provider))),
      ),
    ]);
    // Events may have started some scrapes before.
    if (isFirst)
      scrapes.then(() => Promise.all(this.#inProgress.values())).then(this.#endFirst, this.#endFirst);
    await withDeadline(interval * 1000, signal, () => scrapes).catch((error) => {
      if (!(error instanceof DeadlineError) && !signal.aborted) throw error;
    });
    publisher.endOtherProviders(providers.map(({ name }) => name));
    publisher.endCycle();
    telemetry.scanDuration.observe((clock.monotonic() - begun) / 1000);
  }

  /** Handles the events of the providers between cycles, until the signal aborts. */
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

  /** Updates the targets of a provider. @returns the new ones; none if listing failed, which keeps the known ones. */
  #list(provider: TargetProvider): Promise<TargetRecord[]> {
    const list = this.#listNow(provider).finally(() => this.#listing.delete(provider.name));
    this.#listing.set(provider.name, list);
    return list;
  }

  async #listNow(provider: TargetProvider): Promise<TargetRecord[]> {
    const { clock, logger, telemetry, signal } = this.#options;
    const begun = clock.monotonic();
    try {
      const targets = await provider.list(signal);
      if (signal.aborted) return [];
      if (this.#failing.delete(provider.name)) {
        logger.info("target list recovered", { provider: provider.name });
      }
      return this.#book.takeList(provider.name, targets, begun);
    } catch (error) {
      if (signal.aborted) return [];
      const reason = describeError(error);
      telemetry.discoveryFailures.inc({ provider: provider.name });
      if (!this.#failing.has(provider.name)) {
        logger.error("targets not listed: scraping the known ones", {
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
      this.#book.takeStop(change.id, this.#options.clock.monotonic());
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
   * Lists once for events that arrive together, as when a stack is deployed. Events that arrive during a list cause one
   * more afterwards.
   */
  #listSoon(provider: TargetProvider): void {
    if (this.#soon.has(provider.name)) return;
    this.#soon.add(provider.name);
    this.#later(0.05, async () => {
      for (let list = this.#listing.get(provider.name); list !== undefined; ) {
        await list;
        list = this.#listing.get(provider.name);
      }
      this.#soon.delete(provider.name);
      await this.#scrapeAll(await this.#list(provider));
    });
  }

  #later(seconds: number, work: () => Promise<void>): void {
    if (this.#options.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work().catch((error) => {
        this.#options.logger.error("scan between two cycles failed", { error: describeError(error) });
      });
    }, seconds * 1000);
    this.#timers.add(timer);
  }

  async #scrapeAll(records: readonly TargetRecord[]): Promise<void> {
    const now = this.#options.clock.monotonic();
    const slotMs = this.#slotMs();
    const isSlow = ({ lastDuration = 0 }: TargetRecord) => lastDuration * 1000 >= slotMs;
    const due = records
      .filter((record) => record.isDue(now))
      .sort((a, b) => Number(isSlow(a)) - Number(isSlow(b)));
    await Promise.all(due.map((record) => this.#scrape(record)));
  }

  /**
   * Milliseconds for which a scrape counts against the limit. All targets are scraped within a fifth of the interval, even
   * if none responds, unless there are more than 20 times as many as the limit.
   */
  #slotMs(): number {
    const { interval, concurrency } = this.#options;
    const rounds = Math.ceil(this.#book.size / concurrency);
    return Math.min(Math.max((interval * 200) / rounds, interval * 10), 1000);
  }

  async #scrape(record: TargetRecord): Promise<void> {
    if (record.busy || record.urls.length === 0) return;
    record.busy = true;
    const ended = this.#scrapeInTurn(record).finally(() => {
      record.busy = false;
      this.#inProgress.delete(record);
    });
    this.#inProgress.set(record, ended);
    await ended;
  }

  async #scrapeInTurn(record: TargetRecord): Promise<void> {
    const { signal } = record.ending;
    let scrape: Promise<void> | undefined;
    const start = () => (scrape = this.#scrapeNow(record));
    await this.#limit(() => withDeadline(this.#slotMs(), signal, start).catch(() => undefined));
    await scrape;
  }

  async #scrapeNow(record: TargetRecord): Promise<void> {
    const { clock, publisher, telemetry, scraper, signal } = this.#options;
    if (signal.aborted || record.ending.signal.aborted) return;
    const at = clock.now();
    const begun = clock.monotonic();
    const { fetch } = record;
    let outcome: Probed | ScrapeError;
    try {
      outcome = await probe(
        scraper,
        { ...fetch, winner: record.winner, known: record.knownUrl },
        record.ending.signal,
      );
    } catch (error) {
      outcome = error instanceof ScrapeError ? error : this.#unexpected(record, error);
    }
    // The target was removed in the meantime.
    if (record.ending.signal.aborted) return;
    // Its URLs or credentials changed: the old URL must not be remembered, or it would get the new credentials.
    if (record.differsFrom(fetch)) return;
    const duration = (clock.monotonic() - begun) / 1000;
    if (outcome instanceof ScrapeError) {
      telemetry.scrapes.inc({ outcome: outcome.outcome });
      this.#logFailure(record, outcome);
      record.failed(outcome, at, duration, clock.monotonic());
      publisher.attempted(record.status(), { begun, duration, outcome: { reason: outcome.message } });
    } else {
      telemetry.scrapes.inc({ outcome: "success" });
      this.#logSuccess(record, outcome);
      record.succeeded(outcome, at, duration);
      publisher.attempted(record.status(), { begun, duration, outcome });
    }
  }

  /** A fault of this program must not end the cycle. */
  #unexpected({ target }: TargetRecord, error: unknown): ScrapeError {
    const reason = `internal error: ${describeError(error)}`;
    this.#options.logger.error("scrape failed with an internal error", {
      target: target.title,
      error: reason,
    });
    return new ScrapeError("aborted", reason, { cause: error });
  }

  #logSuccess(record: TargetRecord, { url, samples }: Probed): void {
    if (record.isUp && record.winner === url) return;
    this.#options.logger.info("metrics found", { target: record.target.title, url, samples });
  }

  #logFailure(record: TargetRecord, error: ScrapeError): void {
    const fields = { target: record.target.title, reason: error.message };
    if (record.isUp) this.#options.logger.warn("scrape failed", fields);
    else if (error.outcome === "credentials" && record.target.expected && record.reason !== error.message)
      this.#options.logger.warn("target not scraped", fields);
    else this.#options.logger.debug("no metrics", fields);
  }

  #stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const { ending } of this.#book.all()) ending.abort();
  }
}
