import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { addressBlock } from "../../address/address-block.js";
import { BoundedMap } from "../../bounded-map.js";
import type { Clock } from "../../model/clock.js";
import { type Rate, TokenBucket } from "../../model/token-bucket.js";

/** Wrong passwords. */
const ratePerAddress: Rate = { capacity: 5, perSecond: 1 / 10 };
const totalRate: Rate = { capacity: 30, perSecond: 1 };
const maxAddresses = 10_000;
const maxTrusted = 1000;

/**
 * Checks passwords in constant time and limits the rate of wrong ones. An address with too many wrong passwords is
 * rejected without a check until some time has passed. If too many come from all addresses together, only addresses
 * that have sent the right password before are still checked. Peers use a key and are not affected.
 */
export class PasswordGuard {
  readonly #key = randomBytes(32);
  readonly #expected: Buffer;
  readonly #clock: Clock;
  readonly #total: TokenBucket;
  readonly #byAddress = new BoundedMap<string, TokenBucket>(maxAddresses);
  readonly #trusted = new BoundedMap<string, true>(maxTrusted);

  constructor(password: string, clock: Clock) {
    this.#clock = clock;
    this.#expected = this.#hash(password);
    this.#total = new TokenBucket(totalRate, clock.monotonic());
  }

  /**
   * Whether the password is right and the address has not sent too many wrong ones.
   *
   * @param password as received. A request to change the password is an object, which is always wrong.
   */
  accepts(password: unknown, address: string): boolean {
    const now = this.#clock.monotonic();
    const block = addressBlock(address);
    const own = this.#byAddress.getOrCreate(block, () => new TokenBucket(ratePerAddress, now));
    const total = this.#trusted.get(block) ? undefined : this.#total;
    if (!own.has(now) || total?.has(now) === false) return false;
    if (typeof password === "string" && timingSafeEqual(this.#hash(password), this.#expected)) {
      this.#trusted.set(block, true);
      return true;
    }
    own.take(now);
    total?.take(now);
    return false;
  }

  /** Passwords of any length become equally long, as timingSafeEqual requires. */
  #hash(password: string): Buffer {
    return createHmac("sha256", this.#key).update(password.normalize("NFC")).digest();
  }
}
