import type { Cache } from "../../cache/cache.js";
import type { Publisher } from "../../cache/publisher.js";
import type { Logger } from "../../logging.js";
import type { MemoryBudget } from "../../memory-budget.js";
import type { Clock } from "../../model/clock.js";
import type { Scheduler } from "../../scheduler.js";
import type { FailureReason } from "../peer-error.js";
import type { ArrivingMemory } from "../wire/arriving-memory.js";
import type { LinkChannels } from "../wire/channel.js";
import type { MessageOf } from "../wire/messages.js";

/** Timeouts of a link, in milliseconds. */
export const defaultTimeouts = {
  /** Between two `have` messages. */
  have: 5000,
  /** Without a message before a link is closed. */
  silence: 10_000,
  /** Without a byte of a requested scrape before a link is closed. */
  idle: 5000,
  /** From the request of a scrape to its arrival. */
  fetch: 60_000,
  /** For which another link must be ahead before an origin is followed there instead. */
  ahead: 10_000,
};
export type SyncTimeouts = Readonly<typeof defaultTimeouts>;

/** The context that all links of this node share. */
export interface SyncContext {
  readonly cache: Cache;
  readonly publisher: Publisher;
  readonly budget: MemoryBudget;
  /** For data that is arriving on any link. */
  readonly arriving: ArrivingMemory;
  /** Shares the CPU between all work that takes long. */
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Random id of this process. */
  readonly instance: string;
  /** Name of this node. */
  readonly origin: string;
  /** Id of its Swarm task. */
  readonly task?: string;
  /** Whether this node is a Swarm manager; true outside Swarm. */
  readonly manager: () => boolean;
  readonly replicateTo: "all" | "managers";
  /** HISTORY and SCRAPE_INTERVAL in seconds. */
  readonly history: number;
  readonly interval: number;
  readonly timeouts: SyncTimeouts;
  /** The largest gzip stream of one scrape, in bytes. */
  readonly maxScrapeBytes: number;
  /** Called for each scrape that was sent or received, for the metrics. */
  readonly onScrapes: (direction: "in" | "out", count: number) => void;
  /** Called for each item that was skipped, for the metrics. */
  readonly onSkipped: (reason: FailureReason) => void;
}

/** The state of an origin on a peer. */
export interface PeerHolding {
  readonly number: number;
  /** When the newest publication was published, on this process's monotonic clock. */
  readonly newestAt: number;
  /** Instance id of the process that published it. */
  readonly instance: string | undefined;
}

/** A link as its two directions see it. */
export interface LinkEnd {
  readonly channels: LinkChannels;
  readonly context: SyncContext;
  /** The `hello` of the peer; undefined until it arrives. */
  readonly peer: MessageOf<"hello"> | undefined;
  /** Whether the peer may receive publications of a kind of an origin. */
  permits(origin: string, kind: "batch" | "targets" | "swarm"): boolean;
  /** Follows an origin on another link, or on this one after a minute: memory does not suffice for a document. */
  postpone(origin: string): void;
  /** Whether this node follows an origin on this link. */
  isFollowed(origin: string): boolean;
  /** The state of each origin on the peer, as of its last `have`. */
  readonly have: ReadonlyMap<string, PeerHolding>;
  /** Ends the link. The first reason counts. */
  fail(error: unknown): void;
}
