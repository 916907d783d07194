import type { FailureReason } from "./peer-error.js";

/**
 * How it stands with a peer. `connected`: the last exchange went well. `failing`: it did not. `pending`: there was
 * none yet. `self`: this node itself, as where PEERS is the same on all nodes.
 */
export const peerStates = ["connected", "failing", "pending", "self"] as const;
export type PeerState = (typeof peerStates)[number];

/** What the status page tells of a peer. */
export interface PeerStatus {
  readonly title: string;
  readonly address: string;
  /** The name of its node, once it was said. */
  readonly node?: string;
  readonly state: PeerState;
  /** Milliseconds since the epoch. */
  readonly lastSuccess?: number;
  /** How long the last good exchange took, in seconds. */
  readonly lastDuration?: number;
  /** Why the last exchange failed. */
  readonly lastError?: string;
  readonly lastReason?: FailureReason;
  /** Failures since the last good exchange. */
  readonly failures: number;
  /** Bytes on the wire since this node talks to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}
