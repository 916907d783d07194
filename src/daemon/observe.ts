import type { Cache } from "../cache/cache.js";
import { findNameClashes, type NameClash } from "../cache/name-clashes.js";
import type { Logger } from "../logging.js";
import { systemClock as clock } from "../model/clock.js";
import { clockOffsets, clockTolerance } from "../model/clock-offset.js";
import type { Scrape } from "../model/scrape.js";
import { hasMetrics, type TargetStatus, targetStates } from "../model/target-status.js";
import type { OriginFigures } from "../telemetry/replication.js";
import type { Telemetry } from "../telemetry.js";

export interface ObservedParts {
  readonly telemetry: Telemetry;
  readonly cache: Cache;
  readonly targets: () => readonly TargetStatus[];
  readonly diskFailing: () => boolean;
  readonly mergeConflicts: () => number;
}

/** Adds the metrics that are computed when they are requested. */
export function observe({ telemetry, cache, targets, diskFailing, mergeConflicts }: ObservedParts): void {
  telemetry.observe({
    states: targetStates,
    targets,
    hasMetrics,
    cache: () => {
      const { scrapes, gzipBytes } = cache.totals;
      return { entries: scrapes, gzipBytes, diskFailing: diskFailing() };
    },
    replicas: () => replicasByService(cache.fresh()),
    nameClashes: () => findNameClashes(cache.fresh()).length,
    mergeConflicts,
  });
  telemetry.observeOrigins(() => originFigures(cache));
}

/** Reports name conflicts and clock offsets, each once while it lasts. */
export function createReporter(logger: Logger, cache: Cache): () => void {
  const reportClashes = clashReporter(logger);
  const reportClocks = clockReporter(logger);
  return () => {
    reportClashes(findNameClashes(cache.fresh()));
    reportClocks(clockOffsets(cache.others(), clock));
  };
}

/** Seconds below which a clock counts as correct again; the difference avoids repeated reports. */
const correctAgain = clockTolerance / 2;

export function clockReporter(logger: Logger): (offsets: ReadonlyMap<string, number>) => void {
  const wrong = new Set<string>();
  return (offsets) => {
    for (const [node, offset] of offsets) {
      if (Math.abs(offset) <= clockTolerance || wrong.has(node)) continue;
      wrong.add(node);
      const secondsAhead = Math.round(offset * 10) / 10;
      logger.warn("clock of a node differs: /federate omits its timestamps", { node, secondsAhead });
    }
    for (const node of wrong) {
      if (Math.abs(offsets.get(node) ?? 0) > correctAgain) continue;
      wrong.delete(node);
      logger.info("clock of a node recovered, or the node is gone", { node });
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

function replicasByService(scrapes: readonly Scrape[]): Map<string, number> {
  const replicas = new Map<string, number>();
  for (const { job } of scrapes) replicas.set(job, (replicas.get(job) ?? 0) + 1);
  return replicas;
}

function originFigures(cache: Cache): OriginFigures[] {
  const offsets = clockOffsets(cache.others(), clock);
  return [...cache.feeds()].map(({ origin, scrapes, newestAt }) => {
    const silence = Math.max(0, (clock.monotonic() - newestAt) / 1000);
    const clockOffset = offsets.get(origin);
    return {
      origin,
      entries: [...scrapes.newest()].length,
      ...(origin === cache.own ? {} : { silence }),
      ...(clockOffset === undefined ? {} : { clockOffset }),
    };
  });
}
