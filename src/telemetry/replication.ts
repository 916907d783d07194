import { Counter, Gauge, type Registry } from "prom-client";

const prefix = "app_metrics_proxy_";

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
export function createReplicationMetrics(registers: Registry[]) {
  const counter = (name: string, help: string, labelName: string) =>
    new Counter({ name: `${prefix}${name}`, help, labelNames: [labelName], registers });
  return {
    replicatedBytes: counter(
      "replicated_bytes_total",
      "Bytes exchanged with peers, by direction.",
      "direction",
    ),
    replicatedEntries: counter(
      "replicated_entries_total",
      "Scrapes exchanged with peers, by direction.",
      "direction",
    ),
    replicationFailures: counter(
      "replication_failures_total",
      "Failed exchanges with peers, by reason.",
      "reason",
    ),
    sshRefused: counter("ssh_refused_total", "Refused SSH connections and logins, by reason.", "reason"),

    /** Adds the metrics of peers. */
    observePeers({ states, peers, listFailing, sharedNames }: PeerSources): void {
      new Gauge({
        name: `${prefix}peer_list_failing`,
        help: "Whether the peer list is unavailable or incomplete: 1 or 0.",
        registers,
        collect() {
          this.set(listFailing() ? 1 : 0);
        },
      });
      new Gauge({
        name: `${prefix}shared_names`,
        help: "Hostnames that several nodes share, although each node needs its own.",
        registers,
        collect() {
          this.set(sharedNames());
        },
      });
      new Gauge({
        name: `${prefix}peers`,
        help: "Peers by state.",
        labelNames: ["state"],
        registers,
        // Created first of the three, so it is collected first and iterates over the peers once for all of them.
        collect() {
          for (const metric of [this, lastSuccess, lastDuration]) metric.reset();
          for (const state of states) this.set({ state }, 0);
          for (const peer of peers()) {
            this.inc({ state: peer.state });
            if (peer.lastSuccess !== undefined)
              lastSuccess.set({ peer: peer.title }, peer.lastSuccess / 1000);
            if (peer.lastDuration !== undefined) lastDuration.set({ peer: peer.title }, peer.lastDuration);
          }
        },
      });
      const lastSuccess = new Gauge({
        name: `${prefix}peer_last_success_timestamp_seconds`,
        help: "End time of the last successful exchange with a peer.",
        labelNames: ["peer"],
        registers,
      });
      const lastDuration = new Gauge({
        name: `${prefix}peer_last_exchange_duration_seconds`,
        help: "Duration of the last successful exchange with a peer.",
        labelNames: ["peer"],
        registers,
      });
    },

    /** Adds the metrics of origins. */
    observeOrigins(origins: () => Iterable<OriginFigures>): void {
      const gauge = (name: string, help: string) =>
        new Gauge({ name: `${prefix}${name}`, help, labelNames: ["origin"], registers });
      new Gauge({
        name: `${prefix}origin_entries`,
        help: "Scrapes in the cache by origin.",
        labelNames: ["origin"],
        registers,
        // Created first of the three, so it is collected first and iterates over the origins once for all of them.
        collect() {
          for (const metric of [this, silence, clockOffset]) metric.reset();
          for (const { origin, ...figures } of origins()) {
            this.set({ origin }, figures.entries);
            if (figures.silence !== undefined) silence.set({ origin }, figures.silence);
            if (figures.clockOffset !== undefined) clockOffset.set({ origin }, figures.clockOffset);
          }
        },
      });
      const silence = gauge(
        "origin_silence_seconds",
        "Time since the last update from another node, direct or through a peer.",
      );
      const clockOffset = gauge(
        "origin_clock_offset_seconds",
        "How far the clock of another node is ahead of this node's; beyond 5 s its timestamps are not used.",
      );
    },
  };
}
