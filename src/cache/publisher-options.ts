import type { Logger } from "../logging.js";
import type { MemoryBudget } from "../memory-budget.js";
import type { Clock } from "../model/clock.js";
import type { Scrape } from "../model/scrape.js";
import type { Target } from "../model/target.js";
import type { Cache } from "./cache.js";

/** What a publisher needs. */
export interface PublisherOptions {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly budget: MemoryBudget;
  readonly logger: Logger;
  /** Name of this node, which may change until the Docker engine is reachable. */
  readonly origin: () => string;
  /** Random id of this process. */
  readonly instance: string;
  /** Whether the scrapes of a target go to other nodes. */
  readonly travels: (target: Pick<Target, "scope">) => boolean;
  /** HISTORY in seconds. Ended targets stay listed for this long. */
  readonly history: number;
  /** ADVERTISE_ADDRESS. */
  readonly advertise?: string;
}

/** The outcome of one attempt to scrape a target. */
export interface AttemptResult {
  /** Start on the monotonic clock, in milliseconds. */
  readonly begun: number;
  /** Seconds. */
  readonly duration: number;
  readonly outcome: Pick<Scrape, "gzip" | "contentType" | "size" | "samples"> | { readonly reason: string };
}
