import type { Cache } from "../cache/cache.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import type { ProviderStatus, TargetStatus } from "../model/target-status.js";
import type { Telemetry } from "../telemetry.js";

/** What the routes answer from. */
export interface ServerContext {
  readonly version: string;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** Hostname of this node. */
  readonly node: () => string;
  readonly targets: () => readonly TargetStatus[];
  readonly providers: () => readonly ProviderStatus[];
  /** Whether the first scan is done. */
  readonly ready: () => boolean;
}
