import { lookup } from "node:dns/promises";
import pLimit from "p-limit";
import type { Resolve } from "./admission.js";
import { RelayError } from "./relay-error.js";

/** A lookup blocks one of the process's four threads and cannot be cancelled: two threads stay free. */
const maxLookups = 2;
/**
 * As many as there are concurrent requests. A lookup stays in the queue after its request has timed out: without a
 * limit, clients with a short timeout could queue any number of lookups of slow names.
 */
const maxQueued = 64;

/** The signature of `lookup` from node:dns/promises. */
type Lookup = (
  host: string,
  options: { all: true; order: "verbatim" },
) => Promise<readonly { readonly address: string }[]>;

/**
 * Returns a resolver that works like any program on the machine: hosts file first, then DNS, in the order of the
 * result. It rejects with a RelayError 503 when its queue is full.
 */
export function createSystemResolver(lookUp: Lookup = lookup): Resolve {
  const limit = pLimit(maxLookups);
  return async (host, signal) => {
    if (limit.pendingCount >= maxQueued)
      throw new RelayError(503, "too many host names are being resolved; try again");
    return await limit(async () => {
      signal.throwIfAborted();
      const found = await lookUp(host, { all: true, order: "verbatim" });
      return found.map(({ address }) => address);
    });
  };
}
