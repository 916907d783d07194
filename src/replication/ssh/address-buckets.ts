import { type Rate, TokenBucket } from "../../model/token-bucket.js";

const addressesRemembered = 10_000;

/** A token bucket for each block of addresses that somebody comes from; memory is bounded however many come. */
export class AddressBuckets {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** @param block see addressBlock. @param now milliseconds on a monotonic clock. */
  of(block: string, now: number): TokenBucket {
    const known = this.#buckets.get(block);
    if (known !== undefined) return known;
    if (this.#buckets.size >= addressesRemembered) this.#forget(now);
    const bucket = new TokenBucket(this.#rate, now);
    this.#buckets.set(block, bucket);
    return bucket;
  }

  #forget(now: number): void {
    for (const [block, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(block);
    // So many do harm at once: what holds them is the limit for all together, which each user of this has, too.
    if (this.#buckets.size >= addressesRemembered) this.#buckets.clear();
  }
}
