import { lookup } from "node:dns/promises";
import pLimit from "p-limit";
import type { Resolve } from "./admission.js";

/** A lookup holds one of the process's four threads until it ends, and cannot be called off: two are left free. */
const atOnce = 2;

/** Looks names up as every program of the machine does: its hosts file first, then DNS; in the order that they say. */
export function createSystemResolver(): Resolve {
  const limit = pLimit(atOnce);
  return (host, signal) =>
    limit(async () => {
      signal.throwIfAborted();
      const found = await lookup(host, { all: true, order: "verbatim" });
      return found.map(({ address }) => address);
    });
}
