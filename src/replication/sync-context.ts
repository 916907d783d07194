import type { Cache } from "../cache/cache.js";
import type { ServiceLabelTable } from "../cache/service-label-table.js";
import type { Clock } from "../model/clock.js";
import type { Answered } from "./answered.js";
import type { Claims } from "./claims.js";
import type { ReplicationLimits } from "./limits.js";
import type { ReceiveBudget } from "./receive-budget.js";

/** What all exchanges of this node share. */
export interface SyncContext {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly limits: ReplicationLimits;
  readonly claims: Claims;
  /** The labels of the swarm's services: managers fill it, workers get it from them. */
  readonly serviceLabels: ServiceLabelTable;
  readonly answered: Answered;
  /** What has come of all peers and is not taken in yet. */
  readonly received: ReceiveBudget;
  /** A random name of this process. */
  readonly instance: string;
  /** This node as an origin; the cache publishes under it. */
  readonly origin: () => string;
  /** Whether this node is a manager, or outside Swarm, where all are equal. */
  readonly manager: () => boolean;
  /** REPLICATE_TO: whom a manager gives what it has. */
  readonly replicateTo: "all" | "managers";
  /** Another node holds an epoch of this node's own that it must go above. */
  readonly raiseEpoch: (above: number) => void;
  /** Told what travels, for the metrics. */
  readonly count: (direction: "in" | "out", entries: number) => void;
  readonly countBytes: (direction: "in" | "out", bytes: number) => void;
}
