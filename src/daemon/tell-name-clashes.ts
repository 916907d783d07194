import type { NameClash } from "../cache/name-clashes.js";
import type { Logger } from "../logging.js";

/** Logs each clash of names once, for as long as it lasts. */
export function nameClashTeller(logger: Logger): (clashes: readonly NameClash[]) => void {
  let told = new Set<string>();
  return (clashes) => {
    const now = new Map(clashes.map((clash) => [JSON.stringify(clash), clash]));
    for (const [key, { name, jobs }] of now) {
      if (!told.has(key))
        logger.warn("several services answer to one name; each has its full name to itself", { name, jobs });
    }
    told = new Set(now.keys());
  };
}
