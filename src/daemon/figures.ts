import type { Scrape } from "../model/scrape.js";
import { hasMetrics, type TargetStatus } from "../model/target-status.js";
import type { ServiceFigures, TargetFigures } from "../telemetry.js";

/** What the metrics tell of each service: its fresh replicas. */
export function serviceFigures(entries: readonly Scrape[]): ServiceFigures[] {
  const replicas = new Map<string, number>();
  for (const { job } of entries) replicas.set(job, (replicas.get(job) ?? 0) + 1);
  return [...replicas].map(([name, count]) => ({ name, replicas: count }));
}

/** What the metrics tell of a target. */
export function targetFigures({ target, state, lastSuccess, lastDuration }: TargetStatus): TargetFigures {
  return {
    name: target.job,
    replica: target.replica,
    state,
    hasMetrics: hasMetrics({ state }),
    ...(lastSuccess === undefined ? {} : { lastSuccess }),
    ...(lastDuration === undefined ? {} : { lastDuration }),
  };
}
