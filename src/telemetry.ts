import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { createAccessMetrics } from "./telemetry/access.js";
import { createRelayMetrics } from "./telemetry/relay.js";
import { createReplicationMetrics } from "./telemetry/replication.js";

const prefix = "app_metrics_proxy_";

/** One target, for the metric `targets` and the metrics of single targets. */
export interface TargetFigures {
  readonly name: string;
  readonly replica: string;
  readonly state: string;
  /** Whether it has, or should have, metrics: only then it has series of its own. */
  readonly hasMetrics: boolean;
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

/** One service, for the metrics of services. */
export interface ServiceFigures {
  readonly name: string;
  /** Replicas with fresh metrics. */
  readonly replicas: number;
}

/** Sources of values that are read on every scrape of the proxy. */
export interface FigureSources {
  readonly states: readonly string[];
  targets(): Iterable<TargetFigures>;
  cache(): CacheFigures;
  services(): Iterable<ServiceFigures>;
  /** Short names that several services share. */
  nameClashes(): number;
  /** What current responses omit: conflicting metric families and damaged scrapes. */
  mergeConflicts(): number;
}

/** The metrics of the proxy itself. */
export type Telemetry = ReturnType<typeof createTelemetry>;

/** Creates the metrics in a new registry. @param version for the build info. */
export function createTelemetry(version: string) {
  const registry = new Registry();
  const registers = [registry];

  new Gauge({
    name: `${prefix}build_info`,
    help: "Always 1, labelled with the versions of the proxy and of Node.",
    labelNames: ["version", "nodejs"],
    registers,
  }).set({ version, nodejs: process.versions.node }, 1);

  return {
    scrapes: new Counter({
      name: `${prefix}scrapes_total`,
      help: "Scrapes of targets by outcome.",
      labelNames: ["outcome"],
      registers,
    }),
    scanDuration: new Histogram({
      name: `${prefix}scan_duration_seconds`,
      help: "Duration of a scan cycle: listing the targets and scraping those that are due.",
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers,
    }),
    lastScan: new Gauge({
      name: `${prefix}last_scan_timestamp_seconds`,
      help: "Start time of the last scan cycle.",
      registers,
    }),
    scansSkipped: new Counter({
      name: `${prefix}scans_skipped_total`,
      help: "Scan cycles skipped because the previous one was still running.",
      registers,
    }),
    discoveryFailures: new Counter({
      name: `${prefix}discovery_failures_total`,
      help: "Failed target listings by provider.",
      labelNames: ["provider"],
      registers,
    }),
    httpRequestDuration: new Histogram({
      name: `${prefix}http_request_duration_seconds`,
      help: "Duration of HTTP requests by route and status code.",
      labelNames: ["route", "code"],
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
      registers,
    }),
    ...createReplicationMetrics(registers),
    ...createRelayMetrics(registers),
    ...createAccessMetrics(registers),
    /** Adds the metrics that are read on every scrape, and those of the process. */
    observe(sources: FigureSources): void {
      observeTargets(registers, sources);
      observeCache(registers, sources);
      observeServices(registers, sources);
      collectDefaultMetrics({ register: registry });
      // Gauges with names of counters, which promtool rejects.
      for (const kind of ["handles", "requests", "resources"])
        registry.removeSingleMetric(`nodejs_active_${kind}_total`);
    },
    /** All metrics as text, with its Content-Type. */
    async expose(): Promise<{ readonly text: string; readonly contentType: string }> {
      return { text: await registry.metrics(), contentType: registry.contentType };
    },
  };
}

function observeTargets(registers: Registry[], sources: FigureSources): void {
  const labelNames = ["name", "replica"];
  new Gauge({
    name: `${prefix}targets`,
    help: "Targets on this node by state.",
    labelNames: ["state"],
    registers,
    // The registry collects metrics in order of creation: this one, the first of four, iterates over the targets
    // once for all of them.
    collect() {
      for (const metric of [this, up, lastSuccess, lastDuration]) metric.reset();
      for (const state of sources.states) this.set({ state }, 0);
      for (const { name, replica, ...figures } of sources.targets()) {
        this.inc({ state: figures.state });
        if (!figures.hasMetrics) continue;
        up.set({ name, replica }, figures.state === "up" ? 1 : 0);
        if (figures.lastSuccess !== undefined) lastSuccess.set({ name, replica }, figures.lastSuccess / 1000);
        if (figures.lastDuration !== undefined) lastDuration.set({ name, replica }, figures.lastDuration);
      }
    },
  });
  const up = new Gauge({
    name: `${prefix}target_up`,
    help: "Whether the last scrape of a target succeeded: 1 or 0.",
    labelNames,
    registers,
  });
  const lastSuccess = new Gauge({
    name: `${prefix}target_last_success_timestamp_seconds`,
    help: "Start time of the last successful scrape of a target.",
    labelNames,
    registers,
  });
  const lastDuration = new Gauge({
    name: `${prefix}target_last_scrape_duration_seconds`,
    help: "Duration of the last scrape of a target.",
    labelNames,
    registers,
  });
}

function observeCache(registers: Registry[], sources: FigureSources): void {
  new Gauge({
    name: `${prefix}cache_entries`,
    help: "Scrapes in the cache.",
    registers,
    collect() {
      this.set(sources.cache().entries);
    },
  });
  new Gauge({
    name: `${prefix}cache_bytes`,
    help: "Compressed size of the scrapes in the cache.",
    registers,
    collect() {
      this.set(sources.cache().gzipBytes);
    },
  });
  new Gauge({
    name: `${prefix}cache_disk_failing`,
    help: "Whether writing the cache to disk currently fails: 1 or 0.",
    registers,
    collect() {
      this.set(sources.cache().diskFailing ? 1 : 0);
    },
  });
}

function observeServices(registers: Registry[], sources: FigureSources): void {
  new Gauge({
    name: `${prefix}service_replicas`,
    help: "Replicas of a service with fresh metrics.",
    labelNames: ["name"],
    registers,
    collect() {
      this.reset();
      for (const { name, replicas } of sources.services()) this.set({ name }, replicas);
    },
  });
  new Gauge({
    name: `${prefix}name_clashes`,
    help: "Short names that several services share.",
    registers,
    collect() {
      this.set(sources.nameClashes());
    },
  });
  new Gauge({
    name: `${prefix}merge_conflicts`,
    help: "Metric families and damaged scrapes of single replicas that current responses omit.",
    registers,
    collect() {
      this.set(sources.mergeConflicts());
    },
  });
}
