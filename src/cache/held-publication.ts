import type { Publication } from "../model/publication.js";

/** A publication in the cache. */
export interface HeldPublication<T extends Publication = Publication> {
  readonly publication: T;
  /** Its gzip-compressed JSON, as it is stored and sent. */
  readonly bytes: Buffer;
  /** Size of the JSON in bytes. */
  readonly size: number;
  /** When it was published, on this process's monotonic clock, in milliseconds. */
  readonly at: number;
}

/** Memory of an attempt, as measured: about 550 bytes, and 250 bytes for a scrape that it is the first to name. */
const attemptBytes = 800;

/** How much of the memory budget a publication takes, without its scrapes: objects need twice the bytes of their JSON. */
export function memoryOf({ publication, size }: Pick<HeldPublication, "publication" | "size">): number {
  return 2 * size + (publication.kind === "batch" ? attemptBytes * publication.attempts.length : 0);
}
