import { type PeerStatus, peerStates } from "./model/replication-status.js";
import { Metrics, toSeconds } from "./telemetry/metrics.js";

/** Sources of the metrics of peers. */
export interface PeerSources {
  peers(): readonly PeerStatus[];
  listFailing(): boolean;
  /** The number of hostnames that several nodes share. */
  sharedNames(): number;
}

/** The metrics of the proxy itself. */
export type Telemetry = ReturnType<typeof createTelemetry>;

/** Creates the metrics in a new registry. @param version for the build info. */
export function createTelemetry(version: string) {
  const metrics = new Metrics();
  metrics
    .gauge(
      "build_info",
      "Always 1, labelled with the versions of the proxy and of Node.",
      "version",
      "nodejs",
    )
    .set({ version, nodejs: process.versions.node }, 1);

  return {
    ...createScanMetrics(metrics),
    httpRequestDuration: metrics.histogram(
      "http_request_duration_seconds",
      "Duration of HTTP requests by route and status code.",
      [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
      "route",
      "code",
    ),
    ...createReplicationMetrics(metrics),
    ...createRelayMetrics(metrics),
    ...createAccessMetrics(metrics),
    /** For metrics that other parts add. */
    metrics,
    expose: () => metrics.expose(),
  };
}

function createScanMetrics(metrics: Metrics) {
  return {
    scrapes: metrics.counter("scrapes_total", "Scrapes of targets by outcome.", "outcome"),
    scanDuration: metrics.histogram(
      "scan_duration_seconds",
      "Duration of a scan cycle: listing the targets and scraping those that are due; at most SCRAPE_INTERVAL.",
      [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    ),
    lastScan: metrics.gauge("last_scan_timestamp_seconds", "Start time of the last scan cycle."),
    scrapesSkipped: metrics.counter(
      "scrapes_skipped_total",
      "Scrapes that a scan cycle did not start because the previous one of the target was still in progress.",
    ),
    discoveryFailures: metrics.counter(
      "discovery_failures_total",
      "Failed target listings by provider.",
      "provider",
    ),
  };
}

/** The metrics of replication: counters, and a function that adds metrics which are read on every scrape. */
function createReplicationMetrics(metrics: Metrics) {
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

function createRelayMetrics(metrics: Metrics) {
  return {
    relayInFlight: metrics.gauge("relay_requests_in_flight", "Current requests to the relay."),
    relayRequests: metrics.counter(
      "relay_requests_total",
      "Requests to the relay by status code; aborted if the client disconnected early.",
      "code",
    ),
    relayDuration: metrics.histogram(
      "relay_request_duration_seconds",
      "Duration of requests to the relay, to the last byte of the response.",
      [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    ),
    relaySize: metrics.histogram(
      "relay_exposition_size_bytes",
      "Uncompressed size of relayed expositions.",
      [1e3, 1e4, 1e5, 1e6, 1e7, 1e8],
    ),
  };
}

/** The metrics of authentication, TLS and the web configuration. */
function createAccessMetrics(metrics: Metrics) {
  const accessReloadSuccessful = metrics.gauge(
    "web_config_reload_successful",
    "Whether the last reload of the web configuration and its files succeeded: 1 or 0.",
  );
  // The proxy does not start with an invalid configuration.
  accessReloadSuccessful.set(1);
  return {
    accessReloadSuccessful,
    authenticationAttempts: metrics.counter(
      "authentication_attempts_total",
      "Requests that required authentication, by scheme and result.",
      "scheme",
      "result",
    ),
    passwordChecks: metrics.counter("password_checks_total", "Passwords checked with bcrypt."),
    tlsFailures: metrics.counter("tls_failures_total", "Failed TLS connections by reason.", "reason"),
  };
}
