import type { ScrapeError } from "../fetch/scrape-error.js";
import type { Scrape } from "../model/scrape.js";
import type { HttpFetch, Target } from "../model/target.js";
import type { TargetState, TargetStatus } from "../model/target-status.js";
import type { Probed } from "./probe.js";
import { retryDelay } from "./schedule.js";

/** What the scanner remembers of one target. It only keeps the books; asking and storing is done by others. */
export class TargetRecord {
  /** The candidate that answered last, asked first the next time. */
  winner: string | undefined;
  /** Set while the target is being scraped: it is asked once at a time. */
  busy = false;
  readonly #abort = new AbortController();
  #hadMetrics = false;
  #failures = 0;
  /** How often it had its turn in vain; what is asked before its turn, as right after a start, does not count. */
  #turns = 0;
  #nextAt = 0;
  #lastScrape: number | undefined;
  #lastSuccess: number | undefined;
  #lastDuration: number | undefined;
  #reason: string | undefined;

  /** @param entry what the cache holds of the target from an earlier run. */
  constructor(
    public target: Target,
    entry: Scrape | undefined,
  ) {
    if (entry !== undefined && this.urls.includes(entry.url)) {
      this.winner = entry.url;
      this.#hadMetrics = true;
      this.#lastSuccess = entry.scrapedAt;
    }
  }

  /** Aborts when the target is gone. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get urls(): readonly string[] {
    return this.fetch.urls;
  }

  /** Where and with which credentials it is asked; nowhere, if there is no way. */
  get fetch(): Pick<HttpFetch, "urls" | "auth"> {
    return this.target.fetch.kind === "http" ? this.target.fetch : { urls: [] };
  }

  /** Whether a newer list says that it is asked elsewhere, or with other credentials, than `fetch` says. */
  isAskedOtherwise(fetch: Pick<HttpFetch, "urls" | "auth">): boolean {
    return howAsked(this.fetch) !== howAsked(fetch);
  }

  /** Why its last scrape failed; undefined where it did not. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Takes what a newer list says of the target. */
  update(target: Target): void {
    const before = this.fetch;
    this.target = target;
    if (this.isAskedOtherwise(before)) this.askSoon();
    if (this.winner !== undefined && !this.urls.includes(this.winner)) this.winner = undefined;
  }

  /** It was started anew: whatever made it wait does not count any more. */
  askSoon(): void {
    this.#failures = 0;
    this.#turns = 0;
    this.#nextAt = 0;
  }

  /** Whether it is to be asked in a cycle at this moment of the monotonic clock. */
  isDue(monotonic: number): boolean {
    return !this.busy && this.urls.length > 0 && monotonic >= this.#nextAt;
  }

  /** Whether it answered with metrics ever since it was last started, or should. */
  get hasMetrics(): boolean {
    return this.#hadMetrics || this.target.expected;
  }

  get isUp(): boolean {
    return this.#hadMetrics && this.#failures === 0 && this.#lastScrape !== undefined;
  }

  succeeded(scraped: Probed, at: number, duration: number): void {
    this.winner = scraped.url;
    this.#hadMetrics = true;
    this.#failures = 0;
    this.#nextAt = 0;
    this.#lastScrape = at;
    this.#lastSuccess = at;
    this.#lastDuration = duration;
    this.#reason = undefined;
  }

  /** @param interval seconds between cycles. */
  failed(error: ScrapeError, at: number, duration: number, monotonic: number, interval: number): void {
    // What was not asked has not said that it has no metrics.
    const asked = error.outcome !== "credentials";
    if (asked) this.winner = undefined;
    this.#failures++;
    if (this.hasMetrics || !asked) this.#nextAt = 0;
    else if (monotonic >= this.#nextAt) this.#nextAt = monotonic + retryDelay(++this.#turns, interval) * 1000;
    this.#lastScrape = at;
    this.#lastDuration = duration;
    this.#reason = error.message;
  }

  /** The target is gone: a scrape under way is called off. */
  end(): void {
    this.#abort.abort();
  }

  status(): TargetStatus {
    const reason = this.target.fetch.kind === "none" ? this.target.fetch.reason : this.#reason;
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

function howAsked({ urls, auth = "" }: Pick<HttpFetch, "urls" | "auth">): string {
  return [auth, ...urls].join(" ");
}
