import { Counter, Gauge, type Registry } from "prom-client";

const prefix = "app_metrics_proxy_";

/** What the metrics of peers are read from when they are asked for. */
export interface PeerFigures {
  readonly title: string;
  readonly state: string;
  /** Milliseconds since the epoch. */
  readonly lastSuccess?: number;
  /** Seconds. */
  readonly lastDuration?: number;
}

/** What the metrics of origins are read from when they are asked for. */
export interface OriginFigures {
  readonly origin: string;
  readonly entries: number;
  /** Seconds since it was last heard of; absent for this node itself. */
  readonly silence?: number;
  /** Seconds that its clock is ahead of this node's; absent where nothing of it is held. */
  readonly clockOffset?: number;
}

/** Where the figures of peers come from. */
export interface PeerSources {
  /** All states that a peer can have. */
  readonly states: readonly string[];
  peers(): Iterable<PeerFigures>;
  listFailing(): boolean;
  /** Names that several nodes bear. */
  sharedNames(): number;
}

/** The metrics of replication: counters, and `observePeers` and `observeOrigins` for what is looked at. */
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
      "Expositions exchanged with peers, by direction.",
      "direction",
    ),
    replicationFailures: counter(
      "replication_failures_total",
      "Exchanges with peers that failed, by reason.",
      "reason",
    ),
    sshRefused: counter(
      "ssh_refused_total",
      "SSH connections and logins that were refused, by reason.",
      "reason",
    ),

    /** Adds the metrics of peers. */
    observePeers({ states, peers, listFailing, sharedNames }: PeerSources): void {
      new Gauge({
        name: `${prefix}peer_list_failing`,
        help: "Whether the list of peers can not be had, or not all on it be talked to: 1 or 0.",
        registers,
        collect() {
          this.set(listFailing() ? 1 : 0);
        },
      });
      new Gauge({
        name: `${prefix}shared_names`,
        help: "Names that several nodes bear, though each needs one of its own.",
        registers,
        collect() {
          this.set(sharedNames());
        },
      });
      new Gauge({
        name: `${prefix}peers`,
        help: "Peers that this node talks to, by state.",
        labelNames: ["state"],
        registers,
        // Asked first, as it is the first of the three, it goes over the peers once for all of them.
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
        help: "When the last good exchange with a peer ended.",
        labelNames: ["peer"],
        registers,
      });
      const lastDuration = new Gauge({
        name: `${prefix}peer_last_exchange_duration_seconds`,
        help: "Duration of the last good exchange with a peer.",
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
        help: "Expositions in the cache by the node that scraped them.",
        labelNames: ["origin"],
        registers,
        // Asked first, as it is the first of the three, it goes over the origins once for all of them.
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
        "Time since another node was last heard of, whichever way.",
      );
      const clockOffset = gauge(
        "origin_clock_offset_seconds",
        "How far the clock of another node is ahead of this one's; beyond 5 s its times are not used.",
      );
    },
  };
}
