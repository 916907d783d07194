import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { addressBlock } from "../../address/address-block.js";
import type { Clock } from "../../model/clock.js";
import { TokenBucket } from "../../model/token-bucket.js";
import { AddressBuckets } from "./address-buckets.js";

/** Wrong passwords. */
const fromOneAddress = { capacity: 5, perSecond: 1 / 10 };
const fromAll = { capacity: 30, perSecond: 1 };
const trustedRemembered = 1000;

/**
 * Tells the right password, in constant time, and lets nobody guess fast: who was wrong too often is not even
 * looked at until some time has passed. Where many guess together all have to wait, but for those who come from
 * where the right password has come from before. Peers come with a key and are not held up by any of it.
 */
export class PasswordGuard {
  readonly #key = randomBytes(32);
  readonly #expected: Buffer;
  readonly #clock: Clock;
  readonly #all: TokenBucket;
  readonly #byAddress = new AddressBuckets(fromOneAddress);
  readonly #trusted = new Set<string>();

  constructor(password: string, clock: Clock) {
    this.#clock = clock;
    this.#expected = this.#hash(password);
    this.#all = new TokenBucket(fromAll, clock.monotonic());
  }

  /**
   * Whether the password is right. A wrong one, or a right one too soon after many wrong ones, is not.
   *
   * @param password as it came; a request to change it is none.
   */
  accepts(password: unknown, address: string): boolean {
    const now = this.#clock.monotonic();
    const block = addressBlock(address);
    const own = this.#byAddress.of(block, now);
    const all = this.#trusted.has(block) ? undefined : this.#all;
    if (!own.has(now) || all?.has(now) === false) return false;
    if (typeof password === "string" && timingSafeEqual(this.#hash(password), this.#expected)) {
      if (this.#trusted.size < trustedRemembered) this.#trusted.add(block);
      return true;
    }
    own.take(now);
    all?.take(now);
    return false;
  }

  #hash(password: string): Buffer {
    return createHmac("sha256", this.#key).update(password.normalize("NFC")).digest();
  }
}
