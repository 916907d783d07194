import type { ServiceLabels } from "../model/service-labels.js";
import type { PeerAddress } from "./ssh/client.js";

/** A peer as its source knows it. */
export interface KnownPeer {
  /** Stable while the peer lives: its address, or its task. */
  readonly key: string;
  /** What a person calls it: `host:port`, or its node. */
  readonly title: string;
  /** Where it is reached; the next one is tried when one fails. Never empty. */
  readonly addresses: readonly PeerAddress[];
}

/** What a source knows now. */
export interface PeerList {
  /** Whether this node begins exchanges: a manager does, and where PEERS is set everyone. */
  readonly manager: boolean;
  /** Whom to talk to; empty where this node only answers. */
  readonly peers: readonly KnownPeer[];
  /** Why peers that there are cannot be talked to, in words, such as a network that is not shared. */
  readonly problem?: string;
  /** Labels of the swarm's services, where this node can see them; else managers tell. */
  readonly serviceLabels?: ServiceLabels;
}

/** Where peers come from: PEERS, or the tasks of the own service in Swarm. */
export interface PeerSource {
  /**
   * The peers of now; asked at the begin of each cycle, since they come and go and roles change.
   *
   * @throws AppError when they cannot be had. A failure is never an empty list.
   */
  list(signal: AbortSignal): Promise<PeerList>;
}
