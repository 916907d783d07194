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

/** The metrics of replication: counters, and `observePeers` for what is looked at. */
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

    /** Adds the metrics of single peers. @param states all states that a peer can have. */
    observePeers(states: readonly string[], peers: () => Iterable<PeerFigures>): void {
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
  };
}
