/**
 * How it stands with a peer. `connected`: the last exchange went well. `failing`: it did not. `pending`: there was
 * none yet. `self`: this node itself, as where PEERS is the same on all nodes.
 */
export const peerStates = ["connected", "failing", "pending", "self"] as const;
export type PeerState = (typeof peerStates)[number];

/** What is told of a peer that this node talks to. */
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
  /** Why the last exchange failed: in words, and as it is counted. */
  readonly lastError?: string;
  readonly lastReason?: string;
  /** Failures since the last good exchange. */
  readonly failures: number;
  /** Bytes on the wire since this node talks to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** A node that talked to this one and was cut off. */
export interface CutOff {
  /** What it is called; `unknown`, or its address, where it did not get that far. */
  readonly node: string;
  readonly reason: string;
  /** In words. */
  readonly error: string;
  /** When it was last cut off for it, in milliseconds since the epoch, and how often so far. */
  readonly at: number;
  readonly times: number;
}

/** What is held of an origin. */
export interface OriginStatus {
  readonly origin: string;
  readonly entries: number;
  /** Seconds since it published what is held of it, whichever way that came. */
  readonly silentFor: number;
  /** `host:port` under which its HTTP is reached, where it was told. */
  readonly advertise?: string;
}

/** What `/targets`, the status page and the command `status` tell of replication. */
export interface ReplicationStatus {
  /** This node's name as an origin. */
  readonly origin: string;
  /** Whether this node begins exchanges; one that does not waits for those that do. */
  readonly manager: boolean;
  /** Since when, in milliseconds since the epoch, the peers cannot be listed or reached as listed, and why. */
  readonly listFailing?: { readonly since: number; readonly reason: string };
  readonly peers: readonly PeerStatus[];
  /** Those that began an exchange with this node and were cut off lately. */
  readonly cutOff: readonly CutOff[];
  /** Names that several nodes bear: what is held of them changes back and forth. */
  readonly sharedNames: readonly string[];
  /** Of this node too. */
  readonly origins: readonly OriginStatus[];
}

/** Replication as it stands, or why there is none, in words. */
export type ReplicationView =
  | { readonly status: ReplicationStatus }
  | { readonly status: undefined; readonly reason: string };
