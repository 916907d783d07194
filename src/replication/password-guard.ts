import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "../model/clock.js";
import { TokenBucket } from "../model/token-bucket.js";

/** Wrong passwords at once, and then a second. */
const fromOneAddress = { capacity: 5, perSecond: 1 / 10 };
const fromAll = { capacity: 30, perSecond: 1 };
const addressesRemembered = 10_000;

/**
 * Tells the right password, in constant time, and lets nobody guess fast: who was wrong too often is not even
 * looked at until some time has passed. Peers come with a key and are not held up by it.
 */
export class PasswordGuard {
  readonly #key = randomBytes(32);
  readonly #expected: Buffer;
  readonly #clock: Clock;
  readonly #all: TokenBucket;
  readonly #byAddress = new Map<string, TokenBucket>();

  constructor(password: string, clock: Clock) {
    this.#clock = clock;
    this.#expected = this.#hash(password);
    this.#all = new TokenBucket(fromAll.capacity, fromAll.perSecond, clock.monotonic());
  }

  /** Whether the password is right. A wrong one, or a right one too soon after many wrong ones, is not. */
  accepts(password: string, address: string): boolean {
    const now = this.#clock.monotonic();
    const own = this.#bucketOf(address, now);
    if (!this.#all.has(now) || !own.has(now)) return false;
    if (timingSafeEqual(this.#hash(password), this.#expected)) return true;
    own.take(now);
    this.#all.take(now);
    return false;
  }

  #bucketOf(address: string, now: number): TokenBucket {
    const known = this.#byAddress.get(address);
    if (known !== undefined) return known;
    if (this.#byAddress.size >= addressesRemembered) this.#forget(now);
    const bucket = new TokenBucket(fromOneAddress.capacity, fromOneAddress.perSecond, now);
    this.#byAddress.set(address, bucket);
    return bucket;
  }

  #forget(now: number): void {
    for (const [address, bucket] of this.#byAddress) if (bucket.isFull(now)) this.#byAddress.delete(address);
    // All of them guess: the limit for all holds them.
    if (this.#byAddress.size >= addressesRemembered) this.#byAddress.clear();
  }

  #hash(password: string): Buffer {
    return createHmac("sha256", this.#key).update(password.normalize("NFC")).digest();
  }
}
