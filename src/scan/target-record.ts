import { Backoff } from "../backoff.js";
import type { ScrapeError } from "../fetch/scrape-error.js";
import type { Scrape } from "../model/scrape.js";
import type { HttpFetch, Target } from "../model/target.js";
import type { TargetState, TargetStatus } from "../model/target-status.js";
import type { Probed } from "./probe.js";

/** Seconds after which a target that never had metrics is scraped again at the latest. */
const longestRetry = 300;

/** The state of one target between scrapes. */
export class TargetRecord {
  /** The URL that was successful last, scraped first the next time. */
  winner: string | undefined;
  /** Whether a scrape is in progress; there is at most one. */
  busy = false;
  /** Why the last scrape failed; undefined if it succeeded. */
  reason: string | undefined;
  /** Aborted when the target is removed. */
  readonly ending = new AbortController();
  /** In milliseconds. Counts failed scrapes without metrics, except those right after a start. */
  readonly #backoff: Backoff;
  #hadMetrics = false;
  /** The URL of the last successful scrape, also if it has failed since. */
  #lastGood: string | undefined;
  #failures = 0;
  #lastScrape: number | undefined;
  #lastSuccess: number | undefined;
  #lastDuration: number | undefined;

  /**
   * @param scrape the cached scrape of an earlier process, if any.
   * @param interval seconds between cycles.
   */
  constructor(
    public target: Target,
    scrape: Scrape | undefined,
    private readonly interval: number,
  ) {
    this.#backoff = new Backoff({ first: interval * 1000, longest: Math.max(longestRetry, interval) * 1000 });
    if (scrape !== undefined && this.urls.includes(scrape.url)) {
      this.winner = scrape.url;
      this.#lastGood = scrape.url;
      this.#hadMetrics = true;
      this.#lastSuccess = scrape.scrapedAt;
    }
  }

  get urls(): readonly string[] {
    return this.fetch.urls;
  }

  /** URLs and credentials; no URLs if the target cannot be reached. */
  get fetch(): Pick<HttpFetch, "urls" | "auth"> {
    return this.target.fetch.kind === "http" ? this.target.fetch : { urls: [] };
  }

  /** Whether the URLs or credentials have changed since `fetch`. */
  differsFrom(fetch: Pick<HttpFetch, "urls" | "auth">): boolean {
    return keyOf(this.fetch) !== keyOf(fetch);
  }

  /** Replaces the target by that of a newer list. */
  update(target: Target): void {
    const before = this.fetch;
    this.target = target;
    if (this.differsFrom(before)) this.scrapeSoon();
    if (this.winner !== undefined && !this.urls.includes(this.winner)) this.winner = undefined;
  }

  /**
   * The URL that is known to have metrics, also while a response has no samples: that of the last successful scrape, or
   * the only one of a target whose port is stated by a label or a targets file.
   */
  get knownUrl(): string | undefined {
    const { urls, target } = this;
    if (this.#lastGood !== undefined && urls.includes(this.#lastGood)) return this.#lastGood;
    return target.expected && urls.length === 1 ? urls[0] : undefined;
  }

  /** Resets the backoff, because the target was restarted or has changed. */
  scrapeSoon(): void {
    this.#failures = 0;
    this.#backoff.succeeded();
  }

  /** Whether to scrape it in a cycle. @param monotonic milliseconds on the monotonic clock. */
  isDue(monotonic: number): boolean {
    return !this.busy && this.urls.length > 0 && this.#backoff.wait(monotonic) === 0;
  }

  /** Whether a scrape was successful, or a label states that there are metrics. */
  get hasMetrics(): boolean {
    return this.#hadMetrics || this.target.expected;
  }

  get isUp(): boolean {
    return this.#hadMetrics && this.#failures === 0 && this.#lastScrape !== undefined;
  }

  /** Duration of the last scrape in seconds. */
  get lastDuration(): number | undefined {
    return this.#lastDuration;
  }

  succeeded(scraped: Probed, at: number, duration: number): void {
    this.winner = scraped.url;
    this.#lastGood = scraped.url;
    this.#hadMetrics = true;
    this.#failures = 0;
    this.#backoff.succeeded();
    this.#lastScrape = at;
    this.#lastSuccess = at;
    this.#lastDuration = duration;
    this.reason = undefined;
  }

  /** @param monotonic milliseconds on the monotonic clock. */
  failed(error: ScrapeError, at: number, duration: number, monotonic: number): void {
    // Without credentials, the target was not scraped, so it may have metrics.
    const scraped = error.outcome !== "credentials";
    if (scraped) this.winner = undefined;
    this.#failures++;
    if (this.hasMetrics || !scraped) this.#backoff.succeeded();
    // Half an interval earlier, because cycles do not start to the millisecond.
    else if (this.#backoff.wait(monotonic) === 0) this.#backoff.failed(monotonic - this.interval * 500);
    this.#lastScrape = at;
    this.#lastDuration = duration;
    this.reason = error.message;
  }

  status(): TargetStatus {
    const reason = this.target.fetch.kind === "none" ? this.target.fetch.reason : this.reason;
    return {
      target: this.target,
      state: this.#state(),
      failures: this.#failures,
      ...(reason === undefined ? {} : { reason }),
      ...(this.winner === undefined ? {} : { url: this.winner }),
      ...(this.#lastScrape === undefined ? {} : { lastScrape: this.#lastScrape }),
      ...(this.#lastSuccess === undefined ? {} : { lastSuccess: this.#lastSuccess }),
      ...(this.#lastDuration === undefined ? {} : { lastDuration: this.#lastDuration }),
    };
  }

  #state(): TargetState {
    if (this.target.fetch.kind === "none") return this.target.fetch.state;
    if (this.#lastScrape === undefined) return "pending";
    if (this.#failures === 0) return "up";
    return this.hasMetrics ? "down" : "no metrics";
  }
}

function keyOf({ urls, auth = "" }: Pick<HttpFetch, "urls" | "auth">): string {
  return [auth, ...urls].join(" ");
}
