const firstMs = 1000;
/** The most that is taken off at random, so that many do not try at the same moment. */
const jitter = 0.2;

/** When to try again what failed: after about one second, two, four, … up to a longest time. */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;
  #nextAt = 0;

  /** @param random a number from 0 up to 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** How often it failed in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Milliseconds until it may be tried. @param now milliseconds on a monotonic clock. */
  wait(now: number): number {
    return Math.max(0, this.#nextAt - now);
  }

  /** @param longestMs the most to wait for this kind of failure. */
  failed(now: number, longestMs: number): void {
    const delay = Math.min(firstMs * 2 ** Math.min(this.#failures, 20), longestMs);
    this.#nextAt = now + delay * (1 - jitter * this.#random());
    this.#failures++;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#nextAt = 0;
  }
}
