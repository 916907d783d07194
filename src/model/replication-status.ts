/** `pending`: not connected yet. `self`: this node itself, for example because PEERS is the same on all nodes. */
export const peerStates = ["connected", "failing", "pending", "self"] as const;
export type PeerState = (typeof peerStates)[number];

/** A peer that this node dials. */
export interface PeerStatus {
  readonly title: string;
  readonly address: string;
  /** Its origin; undefined until known. */
  readonly node?: string;
  readonly state: PeerState;
  /** Milliseconds since 1970. */
  readonly lastSuccess?: number;
  /** Duration of the last successful connection attempt in seconds. */
  readonly lastDuration?: number;
  /** The message of the last failure, and its reason as in the metrics. */
  readonly lastError?: string;
  readonly lastReason?: string;
  /** Failures since the last success. */
  readonly failures: number;
  /** Bytes on the wire since the start. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** A node whose connection to this one was closed because of an error. */
export interface CutOff {
  /** Its origin; `unknown`, or its address, if it did not send one. */
  readonly node: string;
  readonly reason: string;
  readonly error: string;
  /** The last time, in milliseconds since 1970, and the number of times. */
  readonly at: number;
  readonly times: number;
}

/** An origin in the cache. */
export interface OriginStatus {
  readonly origin: string;
  readonly entries: number;
  /** Seconds since its newest publication. */
  readonly silentFor: number;
  /** ADVERTISE_ADDRESS of the node. */
  readonly advertise?: string;
}

/** Replication as shown by `/targets`, the status page and the command `status`. */
export interface ReplicationStatus {
  /** This node's name as an origin. */
  readonly origin: string;
  readonly manager: boolean;
  /** Since when (milliseconds since 1970) and why the peers cannot be listed, or some of them cannot be dialled. */
  readonly listFailing?: { readonly since: number; readonly reason: string };
  readonly peers: readonly PeerStatus[];
  readonly cutOff: readonly CutOff[];
  /** Names that several nodes use. */
  readonly sharedNames: readonly string[];
  /** Including this node. */
  readonly origins: readonly OriginStatus[];
}

/** The status of replication, or why it is off. */
export type ReplicationView =
  | { readonly status: ReplicationStatus }
  | { readonly status: undefined; readonly reason: string };
