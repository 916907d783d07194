import { isIPv6 } from "node:net";
import { TokenBucket } from "../model/token-bucket.js";

/** So many at once, and then so many a second. */
export interface Rate {
  readonly capacity: number;
  readonly perSecond: number;
}

const addressesRemembered = 10_000;

/** A token bucket for each network that somebody comes from; memory is bounded however many come. */
export class AddressBuckets {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** @param now milliseconds on a monotonic clock. */
  of(address: string, now: number): TokenBucket {
    const network = networkOf(address);
    const known = this.#buckets.get(network);
    if (known !== undefined) return known;
    if (this.#buckets.size >= addressesRemembered) this.#forget(now);
    const bucket = new TokenBucket(this.#rate.capacity, this.#rate.perSecond, now);
    this.#buckets.set(network, bucket);
    return bucket;
  }

  #forget(now: number): void {
    for (const [network, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(network);
    // So many do harm at once: what holds them is the limit for all together, which each user of this has, too.
    if (this.#buckets.size >= addressesRemembered) this.#buckets.clear();
  }
}

/** What counts as one address: one of IPv4, or the /64 of IPv6 that one host has for itself. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = (plain.split("%")[0] ?? "").split("::");
  const left = head.split(":").filter((group) => group !== "");
  const right = (tail ?? "").split(":").filter((group) => group !== "");
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`;
}
