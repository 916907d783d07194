/** The rate of a token bucket. */
export interface Rate {
  /** Maximum number of tokens: the size of a burst. */
  readonly capacity: number;
  /** Tokens added per second. */
  readonly perSecond: number;
}

/** A token bucket, which limits the rate of an event. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  /** @param now milliseconds on a monotonic clock, as in all methods. */
  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.capacity;
    this.#at = now;
  }

  /** Whether the bucket has all its tokens, like a new one. */
  isFull(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.#rate.capacity;
  }

  /** Whether there is a token. */
  has(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= 1;
  }

  /** Takes tokens. If there are not enough, takes none and returns false. */
  take(now: number, count = 1): boolean {
    this.#refill(now);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Returns a token. */
  giveBack(): void {
    this.#tokens = Math.min(this.#rate.capacity, this.#tokens + 1);
  }

  /** Seconds until there is a token. */
  secondsUntilNext(now: number): number {
    this.#refill(now);
    return Math.max(0, (1 - this.#tokens) / this.#rate.perSecond);
  }

  #refill(now: number): void {
    const { capacity, perSecond } = this.#rate;
    this.#tokens = Math.min(capacity, this.#tokens + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
  }
}
