import type { Cache } from "../cache/cache.js";
import type { Access } from "../config/access.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import type { ReplicationView } from "../model/replication-status.js";
import type { ProviderStatus, TargetStatus } from "../model/target-status.js";
import type { Telemetry } from "../telemetry.js";
import type { Relay } from "./relay/relay.js";
import type { PreparedAnswers } from "./responses/prepared-responses.js";

/** What the routes answer from. */
export interface ServerContext {
  readonly version: string;
  readonly cache: Cache;
  /** What was made of the cache's entries. */
  readonly answers: PreparedAnswers;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** Hostname of this node. */
  readonly node: () => string;
  readonly targets: () => readonly TargetStatus[];
  readonly providers: () => readonly ProviderStatus[];
  /** `host:port` under which others reach this node, where it was told. */
  readonly advertiseAddress?: string;
  /** Replication with other nodes, or why there is none. */
  readonly replication: () => ReplicationView;
  /** What is still to be done before the answers are whole, in words; empty once all of it is. */
  readonly notReady: () => readonly string[];
  /** Seconds that a client may take to read an answer of `/federate`; 120 unless told. */
  readonly federateSeconds?: number;
  /** Absent where it is off. */
  readonly relay?: Relay;
  /** Who may use the server, until HttpServer.use says otherwise; everybody, unless given. */
  readonly access?: Access;
}
