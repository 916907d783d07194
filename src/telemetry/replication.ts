import type { Metrics } from "./metrics.js";

/** One peer, for the metrics of peers. */
export interface PeerFigures {
  readonly title: string;
  readonly state: string;
  /** Milliseconds since the epoch. */
  readonly lastSuccess?: number;
  /** Seconds. */
  readonly lastDuration?: number;
}

/** One origin, for the metrics of origins. */
export interface OriginFigures {
  readonly origin: string;
  readonly entries: number;
  /** Seconds since its last update; absent for this node itself. */
  readonly silence?: number;
  /** By how many seconds its clock is ahead of this node's; absent without a scrape of it. */
  readonly clockOffset?: number;
}

/** Sources of the metrics of peers. */
export interface PeerSources {
  /** All states that a peer can have. */
  readonly states: readonly string[];
  peers(): Iterable<PeerFigures>;
  listFailing(): boolean;
  /** Hostnames that several nodes share. */
  sharedNames(): number;
}

/** The metrics of replication: counters, and functions that add metrics which are read on every scrape. */
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
    observeOrigins: (origins: () => Iterable<OriginFigures>) => observeOrigins(metrics, origins),
  };
}

function observePeers(metrics: Metrics, sources: PeerSources): void {
  const listFailing = metrics.gauge(
    "peer_list_failing",
    "Whether the peer list is unavailable or incomplete: 1 or 0.",
  );
  const sharedNames = metrics.gauge(
    "shared_names",
    "Hostnames that several nodes share, although each node needs its own.",
  );
  const count = metrics.gauge("peers", "Peers by state.", "state");
  const lastSuccess = metrics.gauge(
    "peer_last_success_timestamp_seconds",
    "End time of the last successful exchange with a peer.",
    "peer",
  );
  const lastDuration = metrics.gauge(
    "peer_last_exchange_duration_seconds",
    "Duration of the last successful exchange with a peer.",
    "peer",
  );
  metrics.beforeScrape(() => {
    listFailing.set(sources.listFailing() ? 1 : 0);
    sharedNames.set(sources.sharedNames());
    for (const gauge of [count, lastSuccess, lastDuration]) gauge.reset();
    for (const state of sources.states) count.set({ state }, 0);
    for (const { title: peer, ...figures } of sources.peers()) {
      count.inc({ state: figures.state });
      if (figures.lastSuccess !== undefined) lastSuccess.set({ peer }, figures.lastSuccess / 1000);
      if (figures.lastDuration !== undefined) lastDuration.set({ peer }, figures.lastDuration);
    }
  });
}

function observeOrigins(metrics: Metrics, origins: () => Iterable<OriginFigures>): void {
  const entries = metrics.gauge("origin_entries", "Scrapes in the cache by origin.", "origin");
  const silence = metrics.gauge(
    "origin_silence_seconds",
    "Time since the last update from another node, direct or through a peer.",
    "origin",
  );
  const clockOffset = metrics.gauge(
    "origin_clock_offset_seconds",
    "How far the clock of another node is ahead of this node's; beyond 5 s its timestamps are not used.",
    "origin",
  );
  metrics.beforeScrape(() => {
    for (const gauge of [entries, silence, clockOffset]) gauge.reset();
    for (const { origin, ...figures } of origins()) {
      entries.set({ origin }, figures.entries);
      if (figures.silence !== undefined) silence.set({ origin }, figures.silence);
      if (figures.clockOffset !== undefined) clockOffset.set({ origin }, figures.clockOffset);
    }
  });
}
