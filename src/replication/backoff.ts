const firstMs = 1000;
const longestMs = 60_000;

/** When to try again what failed: after one second, two, four, … up to a minute. */
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
