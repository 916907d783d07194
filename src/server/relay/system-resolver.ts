import { lookup } from "node:dns/promises";
import pLimit from "p-limit";
import type { Resolve } from "./admission.js";
import { RelayError } from "./relay-error.js";

/** A lookup holds one of the process's four threads until it ends, and cannot be called off: two are left free. */
const atOnce = 2;
/**
 * As many may wait as requests may be under way. One that was given up waits on, and without a limit clients with no
 * patience could pile them up behind names that take long.
 */
const mostWaiting = 64;

/** As `lookup` of node:dns/promises answers. */
type Lookup = (
  host: string,
  options: { all: true; order: "verbatim" },
) => Promise<readonly { readonly address: string }[]>;

/**
 * Looks names up as every program of the machine does: its hosts file first, then DNS; in the order that they say.
 * What it answers with rejects with a RelayError 503 where too many wait.
 */
export function createSystemResolver(lookUp: Lookup = lookup): Resolve {
  const limit = pLimit(atOnce);
  return async (host, signal) => {
    if (limit.pendingCount >= mostWaiting)
      throw new RelayError(503, "too many names are being looked up; try again");
    return await limit(async () => {
      signal.throwIfAborted();
      const found = await lookUp(host, { all: true, order: "verbatim" });
      return found.map(({ address }) => address);
    });
  };
}
