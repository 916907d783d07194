import { type PeerStatus, peerStates } from "../model/replication-status.js";
import { type Metrics, toSeconds } from "./metrics.js";

/** Sources of the metrics of peers. */
export interface PeerSources {
  peers(): readonly PeerStatus[];
  listFailing(): boolean;
  /** The number of hostnames that several nodes share. */
  sharedNames(): number;
}

/** The metrics of replication: counters, and a function that adds metrics which are read on every scrape. */
export function createReplicationMetrics(metrics: Metrics) {
  return {
    replicatedBytes: metrics.counter(
      "replicated_bytes_total",
      "Bytes exchanged with peers, by direction.",
      "direction",
    ),
    replicatedEntries: metrics.counter(
      "replicated_entries_total",
      "Scrapes exchanged with peers, by direction.",
      "direction",
    ),
    replicationFailures: metrics.counter(
      "replication_failures_total",
      "Failed exchanges with peers, by reason.",
      "reason",
    ),
    sshRefused: metrics.counter(
      "ssh_refused_total",
      "Refused SSH connections and logins, by reason.",
      "reason",
    ),
    observePeers: (sources: PeerSources) => observePeers(metrics, sources),
  };
}

function observePeers(metrics: Metrics, { peers, listFailing, sharedNames }: PeerSources): void {
  metrics.observe(
    "peer_list_failing",
    "Whether the peer list is unavailable or incomplete: 1 or 0.",
    listFailing,
  );
  metrics.observe(
    "shared_names",
    "Hostnames that several nodes share, although each node needs its own.",
    sharedNames,
  );
  metrics.observeStates("peers", "Peers by state.", peerStates, peers);
  metrics.observeSeries(
    "peer_last_success_timestamp_seconds",
    "End time of the last successful exchange with a peer.",
    ["peer"],
    () => peers().map(({ title, lastSuccess }) => [{ peer: title }, toSeconds(lastSuccess)]),
  );
  metrics.observeSeries(
    "peer_last_exchange_duration_seconds",
    "Duration of the last successful exchange with a peer.",
    ["peer"],
    () => peers().map(({ title, lastDuration }) => [{ peer: title }, lastDuration]),
  );
}
