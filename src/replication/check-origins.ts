import type { ReplicationLimits } from "./limits.js";
import { PeerError } from "./peer-error.js";

/**
 * What is told of origins is told of each once, and of no more than may be known: all that follows takes time for
 * each.
 *
 * @throws PeerError
 */
export function checkOrigins(origins: readonly string[], { origins: most }: ReplicationLimits): void {
  if (origins.length > most) throw new PeerError("limit", `it knows more than ${most} origins`);
  if (new Set(origins).size < origins.length) {
    throw new PeerError("protocol", "it tells of one origin twice");
  }
}
