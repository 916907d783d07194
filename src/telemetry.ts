import { Metrics } from "./telemetry/metrics.js";
import { createReplicationMetrics } from "./telemetry/replication.js";

/** One target, for the metric `targets` and the metrics of single targets. */
export interface TargetFigures {
  readonly target: { readonly job: string; readonly replica: string };
  readonly state: string;
  /** Milliseconds since the epoch. */
  readonly lastSuccess?: number;
  /** Seconds. */
  readonly lastDuration?: number;
}

/** Values of the cache metrics. */
export interface CacheFigures {
  readonly entries: number;
  readonly gzipBytes: number;
  readonly diskFailing: boolean;
}

/** Sources of values that are read on every scrape of the proxy. */
export interface FigureSources {
  readonly states: readonly string[];
  targets(): Iterable<TargetFigures>;
  /** Whether a target has, or should have, metrics: only then it has series of its own. */
  hasMetrics(target: TargetFigures): boolean;
  cache(): CacheFigures;
  /** How many replicas with fresh metrics each service has. */
  replicas(): ReadonlyMap<string, number>;
  /** Short names that several services share. */
  nameClashes(): number;
  /** What current responses omit: conflicting metric families and damaged scrapes. */
  mergeConflicts(): number;
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
    /** Adds the metrics that are read on every scrape, and those of the process. */
    observe(sources: FigureSources): void {
      observeTargets(metrics, sources);
      observeCache(metrics, sources);
      metrics.addProcess();
    },
    expose: () => metrics.expose(),
  };
}

function createScanMetrics(metrics: Metrics) {
  return {
    scrapes: metrics.counter("scrapes_total", "Scrapes of targets by outcome.", "outcome"),
    scanDuration: metrics.histogram(
      "scan_duration_seconds",
      "Duration of a scan cycle: listing the targets and scraping those that are due.",
      [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    ),
    lastScan: metrics.gauge("last_scan_timestamp_seconds", "Start time of the last scan cycle."),
    scansSkipped: metrics.counter(
      "scans_skipped_total",
      "Scan cycles skipped because the previous one was still running.",
    ),
    discoveryFailures: metrics.counter(
      "discovery_failures_total",
      "Failed target listings by provider.",
      "provider",
    ),
  };
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

function observeTargets(metrics: Metrics, sources: FigureSources): void {
  const count = metrics.gauge("targets", "Targets on this node by state.", "state");
  const up = metrics.gauge(
    "target_up",
    "Whether the last scrape of a target succeeded: 1 or 0.",
    "name",
    "replica",
  );
  const lastSuccess = metrics.gauge(
    "target_last_success_timestamp_seconds",
    "Start time of the last successful scrape of a target.",
    "name",
    "replica",
  );
  const lastDuration = metrics.gauge(
    "target_last_scrape_duration_seconds",
    "Duration of the last scrape of a target.",
    "name",
    "replica",
  );
  metrics.beforeScrape(() => {
    for (const gauge of [count, up, lastSuccess, lastDuration]) gauge.reset();
    for (const state of sources.states) count.set({ state }, 0);
    for (const figures of sources.targets()) {
      count.inc({ state: figures.state });
      if (!sources.hasMetrics(figures)) continue;
      const labels = { name: figures.target.job, replica: figures.target.replica };
      up.set(labels, figures.state === "up" ? 1 : 0);
      if (figures.lastSuccess !== undefined) lastSuccess.set(labels, figures.lastSuccess / 1000);
      if (figures.lastDuration !== undefined) lastDuration.set(labels, figures.lastDuration);
    }
  });
}

function observeCache(metrics: Metrics, sources: FigureSources): void {
  const entries = metrics.gauge("cache_entries", "Scrapes in the cache.");
  const bytes = metrics.gauge("cache_bytes", "Compressed size of the scrapes in the cache.");
  const diskFailing = metrics.gauge(
    "cache_disk_failing",
    "Whether writing the cache to disk currently fails: 1 or 0.",
  );
  const replicas = metrics.gauge("service_replicas", "Replicas of a service with fresh metrics.", "name");
  const nameClashes = metrics.gauge("name_clashes", "Short names that several services share.");
  const mergeConflicts = metrics.gauge(
    "merge_conflicts",
    "Metric families and damaged scrapes of single replicas that current responses omit.",
  );
  metrics.beforeScrape(() => {
    const cache = sources.cache();
    entries.set(cache.entries);
    bytes.set(cache.gzipBytes);
    diskFailing.set(cache.diskFailing ? 1 : 0);
    replicas.reset();
    for (const [name, count] of sources.replicas()) replicas.set({ name }, count);
    nameClashes.set(sources.nameClashes());
    mergeConflicts.set(sources.mergeConflicts());
  });
}
