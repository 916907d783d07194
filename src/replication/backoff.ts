const firstMs = 1000;
/** Half of the usual STALE_AFTER: a node that was cut off for long is there again soon after it is back. */
const longestMs = 15_000;

/** When to try again what failed: after one second, two, four, eight, and then every fifteen. */
export class Backoff {
  #failures = 0;
  #nextAt = 0;

  /** How often it failed in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether it may be tried. @param now milliseconds on a monotonic clock. */
  isDue(now: number): boolean {
    return now >= this.#nextAt;
  }

  failed(now: number): void {
    this.#nextAt = now + Math.min(firstMs * 2 ** Math.min(this.#failures, 20), longestMs);
    this.#failures++;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#nextAt = 0;
  }
}
