import type { Cache } from "../cache/cache.js";
import { findNameClashes, type NameClash } from "../cache/name-clashes.js";
import type { KnownTarget } from "../cache/name-index.js";
import { findShadowed, type ShadowedTarget, withShadowed } from "../cache/shadowed-targets.js";
import { limitLines } from "../logging/limit-lines.js";
import type { Logger } from "../logging.js";
import { systemClock as clock } from "../model/clock.js";
import { clockTolerance, maxClockOffset } from "../model/clock-offset.js";
import { instanceOf } from "../model/target.js";
import { hasMetrics, shownStates } from "../model/target-status.js";
import { type Metrics, toSeconds } from "../telemetry/metrics.js";
import type { Telemetry } from "../telemetry.js";
import { type ObservedServices, observeServices } from "./observe-services.js";

export interface ObservedParts extends Omit<ObservedServices, "metrics"> {
  readonly telemetry: Telemetry;
  readonly diskFailing: () => boolean;
  /** The number of conflicting metric families and damaged scrapes that current responses omit. */
  readonly mergeConflicts: () => number;
}

/** Adds the metrics that are read on every scrape of the proxy. */
export function observe(parts: ObservedParts): void {
  const { telemetry, cache, targets, diskFailing, mergeConflicts } = parts;
  const { metrics } = telemetry;
  observeTargets(metrics, () => withShadowed(targets(), cache));
  metrics.observe("cache_entries", "Scrapes in the cache.", () => cache.totals.scrapes);
  metrics.observe(
    "cache_bytes",
    "Compressed size of the scrapes in the cache.",
    () => cache.totals.gzipBytes,
  );
  metrics.observe(
    "cache_disk_failing",
    "Whether writing the cache to disk currently fails: 1 or 0.",
    diskFailing,
  );
  metrics.observeSeries("service_replicas", "Replicas of a service with fresh metrics.", ["name"], () =>
    replicasByService(cache),
  );
  observeServices({ ...parts, metrics });
  metrics.observe(
    "name_clashes",
    "Short names that several services share.",
    () => findNameClashes(cache.services()).length,
  );
  metrics.observe(
    "shadowed_targets",
    "Targets of all nodes that are not served, because another one with the same job and instance is.",
    () => findShadowed(cache).length,
  );
  metrics.observe(
    "merge_conflicts",
    "Metric families and damaged scrapes of single replicas that current responses omit.",
    mergeConflicts,
  );
  observeOrigins(metrics, cache);
  metrics.addProcess();
}

type ShownStatus = ReturnType<typeof withShadowed>[number];

function observeTargets(metrics: Metrics, targets: () => readonly ShownStatus[]): void {
  metrics.observeStates("targets", "Targets on this node by state.", shownStates, targets);
  const observeEach = (name: string, help: string, read: (status: ShownStatus) => number | undefined) =>
    metrics.observeSeries(name, help, ["name", "replica"], () =>
      targets()
        .filter(hasMetrics)
        .map((status) => [{ name: status.target.job, replica: status.target.replica }, read(status)]),
    );
  observeEach("target_up", "Whether the last scrape of a target succeeded: 1 or 0.", ({ state }) =>
    Number(state === "up"),
  );
  observeEach(
    "target_last_success_timestamp_seconds",
    "Start time of the last successful scrape of a target.",
    ({ lastSuccess }) => toSeconds(lastSuccess),
  );
  observeEach(
    "target_last_scrape_duration_seconds",
    "Duration of the last scrape of a target.",
    ({ lastDuration }) => lastDuration,
  );
}

function* replicasByService(cache: Cache): Generator<[labels: { name: string }, count: number]> {
  for (const [name, scrapes] of cache.services()) {
    let count = 0;
    for (const scrape of scrapes) if (scrape?.job === name) count++;
    if (count > 0) yield [{ name }, count];
  }
}

function observeOrigins(metrics: Metrics, cache: Cache): void {
  metrics.observeSeries("origin_entries", "Scrapes in the cache by origin.", ["origin"], () =>
    [...cache.feeds()].map(({ origin, scrapes }) => [{ origin }, scrapes.served]),
  );
  metrics.observeSeries(
    "origin_silence_seconds",
    "Time since the last update from another node, direct or through a peer.",
    ["origin"],
    () =>
      [...cache.feeds()]
        .filter(({ origin }) => origin !== cache.own)
        .map(({ origin, newestAt }) => [{ origin }, Math.max(0, (clock.monotonic() - newestAt) / 1000)]),
  );
  metrics.observeSeries(
    "origin_clock_offset_seconds",
    "How far the clock of another node is ahead of this node's; beyond 600 s /federate omits its samples.",
    ["origin"],
    () => [...cache.clockOffsets()].map(([origin, offset]) => [{ origin }, offset]),
  );
}

/** Reports name conflicts, shadowed targets and clock offsets, each once while it lasts. */
export function createReporter(logger: Logger, cache: Cache): () => void {
  const reportClashes = clashReporter(limitLines(logger, () => clock.monotonic()));
  const reportShadowed = shadowReporter(logger);
  const reportClocks = clockReporter(logger);
  return () => {
    reportClashes(findNameClashes(cache.services()));
    reportShadowed(findShadowed(cache));
    reportClocks(cache.clockOffsets());
  };
}

/** Seconds below which a clock counts as correct again; the difference avoids repeated reports. */
const correctAgain = clockTolerance / 2;
/** A line names so many nodes or targets, because a peer can publish as any number of nodes. */
const maxNames = 5;

export function clockReporter(logger: Logger): (offsets: ReadonlyMap<string, number>) => void {
  /** The limit that was reported as exceeded, by node. */
  const reported = new Map<string, number>();
  return (offsets) => {
    const found = new Map<number, [node: string, secondsAhead: number][]>();
    for (const [node, offset] of offsets) {
      const exceeded = [maxClockOffset, clockTolerance].find((limit) => Math.abs(offset) > limit) ?? 0;
      if (exceeded <= (reported.get(node) ?? 0)) continue;
      reported.set(node, exceeded);
      const others = found.get(exceeded) ?? [];
      others.push([node, Math.round(offset * 10) / 10]);
      found.set(exceeded, others);
    }
    const fieldsOf = (nodes: readonly [node: string, secondsAhead: number][]) => ({
      nodes: nodes.length,
      secondsAhead: Object.fromEntries(nodes.slice(0, maxNames)),
    });
    const differing = found.get(clockTolerance);
    if (differing !== undefined) logger.warn("clock of a node differs", fieldsOf(differing));
    const excluded = found.get(maxClockOffset);
    if (excluded !== undefined) {
      const message = "clock of a node differs by more than 10 minutes: /federate omits its samples";
      logger.error(message, fieldsOf(excluded));
    }
    const recovered = [...reported.keys()].filter((node) => Math.abs(offsets.get(node) ?? 0) <= correctAgain);
    for (const node of recovered) reported.delete(node);
    if (recovered.length > 0) {
      logger.info("clock of a node recovered, or the node is gone", {
        nodes: recovered.length,
        names: recovered.slice(0, maxNames),
      });
    }
  };
}

export function clashReporter(logger: Logger): (clashes: readonly NameClash[]) => void {
  let reported = new Set<string>();
  return (clashes) => {
    const current = new Map(clashes.map((clash) => [JSON.stringify(clash), clash]));
    for (const [key, { name, jobs }] of current) {
      if (!reported.has(key))
        logger.warn("several services share a name: use their full names", { name, jobs });
    }
    reported = new Set(current.keys());
  };
}

/** Reports shadowed targets when they begin and end to be: all of a cycle in one line. */
export function shadowReporter(logger: Logger): (shadowed: readonly ShadowedTarget[]) => void {
  let reported = new Map<string, string>();
  return (all) => {
    const current = new Map(all.map((each) => [keyOf(each), instanceOf(each.shadowed.target)]));
    const begun = all.filter((each) => !reported.has(keyOf(each)));
    const ended = [...reported].filter(([key]) => !current.has(key)).map(([, instance]) => instance);
    if (begun.length > 0) {
      logger.warn("targets with the same job and instance as another one are not served", {
        targets: begun.length,
        examples: begun.slice(0, maxNames).map(describeShadowed),
      });
    }
    if (ended.length > 0) {
      logger.info("targets no longer have the same job and instance as another one, or are gone", {
        targets: ended.length,
        instances: [...new Set(ended)].slice(0, maxNames),
      });
    }
    reported = current;
  };
}

function keyOf({ shadowed: { origin, target } }: ShadowedTarget): string {
  return `${origin}\n${target.id}`;
}

function describeShadowed({ shadowed, served }: ShadowedTarget): object {
  const placeOf = ({ origin, target }: KnownTarget) => `${target.title} on ${origin}`;
  return {
    instance: instanceOf(shadowed.target),
    shadowed: placeOf(shadowed),
    served: placeOf(served),
  };
}
