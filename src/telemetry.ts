import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { createAccessMetrics } from "./telemetry/access.js";
import { createRelayMetrics } from "./telemetry/relay.js";
import { createReplicationMetrics } from "./telemetry/replication.js";

const prefix = "app_metrics_proxy_";

/** What the metric `targets` and the metrics of single targets are read from when they are asked for. */
export interface TargetFigures {
  readonly name: string;
  readonly replica: string;
  readonly state: string;
  /** Whether it has, or should have, metrics: only then it gets series of its own. */
  readonly hasMetrics: boolean;
  /** Milliseconds since the epoch. */
  readonly lastSuccess?: number;
  /** Seconds. */
  readonly lastDuration?: number;
}

/** What the cache metrics are read from. */
export interface CacheFigures {
  readonly entries: number;
  readonly gzipBytes: number;
  readonly diskFailing: boolean;
}

/** What the metrics of services are read from. */
export interface ServiceFigures {
  readonly name: string;
  /** Replicas that are served. */
  readonly replicas: number;
}

/** Where figures come from that are not counted but looked at, each time that somebody asks. */
export interface FigureSources {
  readonly states: readonly string[];
  targets(): Iterable<TargetFigures>;
  cache(): CacheFigures;
  services(): Iterable<ServiceFigures>;
  /** Short names that several services answer to. */
  nameClashes(): number;
  /** Metric families that the merged answers of the moment had to leave out. */
  mergeConflicts(): number;
}

/** The proxy's own metrics. */
export type Telemetry = ReturnType<typeof createTelemetry>;

/** Makes the metrics, in a registry of their own. `version` goes into the build info. */
export function createTelemetry(version: string) {
  const registry = new Registry();
  const registers = [registry];

  new Gauge({
    name: `${prefix}build_info`,
    help: "Always 1; its labels tell the version of the proxy and of Node.",
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
      help: "When the last scan cycle began.",
      registers,
    }),
    scansSkipped: new Counter({
      name: `${prefix}scans_skipped_total`,
      help: "Scan cycles that were left out because the one before was still running.",
      registers,
    }),
    discoveryFailures: new Counter({
      name: `${prefix}discovery_failures_total`,
      help: "Lists of targets that could not be had, by provider.",
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
    /** Adds the metrics that are looked at when asked for, and those of the process. */
    observe(sources: FigureSources): void {
      observeTargets(registers, sources);
      observeCache(registers, sources);
      observeServices(registers, sources);
      collectDefaultMetrics({ register: registry });
      // Gauges whose names end like those of counters; promtool refuses them.
      for (const kind of ["handles", "requests", "resources"])
        registry.removeSingleMetric(`nodejs_active_${kind}_total`);
    },
    /** The text of all metrics and its Content-Type. */
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
    // The registry asks its metrics in the order of their making, so this one, being the first of the four,
    // can go over the targets once for all of them.
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
    help: "Whether the last scrape of a target was good: 1 or 0.",
    labelNames,
    registers,
  });
  const lastSuccess = new Gauge({
    name: `${prefix}target_last_success_timestamp_seconds`,
    help: "When the last good scrape of a target began.",
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
    help: "Expositions in the cache.",
    registers,
    collect() {
      this.set(sources.cache().entries);
    },
  });
  new Gauge({
    name: `${prefix}cache_bytes`,
    help: "Size of the expositions in the cache, as they are kept: compressed.",
    registers,
    collect() {
      this.set(sources.cache().gzipBytes);
    },
  });
  new Gauge({
    name: `${prefix}cache_disk_failing`,
    help: "Whether the cache can not be kept on disk at the moment: 1 or 0.",
    registers,
    collect() {
      this.set(sources.cache().diskFailing ? 1 : 0);
    },
  });
}

function observeServices(registers: Registry[], sources: FigureSources): void {
  new Gauge({
    name: `${prefix}service_replicas`,
    help: "Replicas of a service that are served.",
    labelNames: ["name"],
    registers,
    collect() {
      this.reset();
      for (const { name, replicas } of sources.services()) this.set({ name }, replicas);
    },
  });
  new Gauge({
    name: `${prefix}name_clashes`,
    help: "Short names that several services answer to.",
    registers,
    collect() {
      this.set(sources.nameClashes());
    },
  });
  new Gauge({
    name: `${prefix}merge_conflicts`,
    help: "Metric families of single replicas that the merged answers of the moment had to leave out.",
    registers,
    collect() {
      this.set(sources.mergeConflicts());
    },
  });
}
