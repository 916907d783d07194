/** How often something may happen. */
export interface Rate {
  /** Times at once. */
  readonly capacity: number;
  /** Times a second after that. */
  readonly perSecond: number;
}

/** Lets something happen only as often as a rate says. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  /** @param now milliseconds on a monotonic clock, as for all calls. */
  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.capacity;
    this.#at = now;
  }

  /** Whether nothing was taken lately, so that a new bucket would be the same. */
  isFull(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.#rate.capacity;
  }

  /** Whether one could be taken. */
  has(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= 1;
  }

  /** Takes one, or as many as told; false where there are not as many. */
  take(now: number, count = 1): boolean {
    this.#refill(now);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Gives one back that was taken. */
  giveBack(): void {
    this.#tokens = Math.min(this.#rate.capacity, this.#tokens + 1);
  }

  /** Seconds until there is one to take; 0 where there is one. */
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
