import type { Cache } from "../cache/cache.js";
import type { Access } from "../config/access.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import type { ReplicationView } from "../model/replication-status.js";
import type { ProviderStatus, TargetStatus } from "../model/target-status.js";
import type { Scheduler } from "../scheduler.js";
import type { Telemetry } from "../telemetry.js";
import type { Relay } from "./relay/relay.js";
import type { PreparedResponses } from "./responses/prepared-responses.js";

/** What the routes read from. */
export interface ServerContext {
  readonly version: string;
  readonly cache: Cache;
  readonly responses: PreparedResponses;
  /** Runs work that takes long. */
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly node: () => string;
  readonly targets: () => readonly TargetStatus[];
  readonly providers: () => readonly ProviderStatus[];
  /** ADVERTISE_ADDRESS: the `host:port` at which others reach this node. */
  readonly advertiseAddress?: string;
  /** State of the replication, or why there is none. */
  readonly replication: () => ReplicationView;
  /** What has to finish before responses are complete; empty when ready. */
  readonly notReady: () => readonly string[];
  /** Undefined if the relay is off. */
  readonly relay?: Relay;
  /** Access rules until HttpServer.use replaces them; open to everyone by default. */
  readonly access?: Access;
}
