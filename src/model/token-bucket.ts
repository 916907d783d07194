/** Lets something happen `capacity` times at once and then `perSecond` times a second. */
export class TokenBucket {
  #tokens: number;
  #at: number;

  /** @param now milliseconds on a monotonic clock, as for all calls. */
  constructor(
    private readonly capacity: number,
    private readonly perSecond: number,
    now: number,
  ) {
    this.#tokens = capacity;
    this.#at = now;
  }

  /** Whether nothing was taken lately, so that a new bucket would be the same. */
  isFull(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.capacity;
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
    this.#tokens = Math.min(this.capacity, this.#tokens + 1);
  }

  /** Seconds until there is one to take; 0 where there is one. */
  secondsUntilNext(now: number): number {
    this.#refill(now);
    return Math.max(0, (1 - this.#tokens) / this.perSecond);
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.capacity, this.#tokens + ((now - this.#at) / 1000) * this.perSecond);
    this.#at = now;
  }
}
