import type { Cache } from "../cache/cache.js";
import { hasMetrics, type TargetStatus } from "../model/target-status.js";
import type { Metrics } from "../telemetry/metrics.js";

export interface ObservedServices {
  readonly metrics: Metrics;
  readonly cache: Cache;
  readonly targets: () => readonly TargetStatus[];
  /** Desired replicas by service; empty except on managers. */
  readonly desiredReplicas: () => ReadonlyMap<string, number>;
}

/** The most services with series of their own. */
export const maxServices = 1000;

/** Adds metrics that compare the desired replicas of each service with those on this node. */
export function observeServices({ metrics, cache, targets, desiredReplicas }: ObservedServices): void {
  metrics.observeSeries(
    "service_replicas_desired",
    "Replicas of a Swarm service that should run in the whole swarm. Only on managers.",
    ["name"],
    () => [...desiredReplicas()].slice(0, maxServices).map(([name, count]) => [{ name }, count]),
  );
  metrics.observeTable(
    [
      ["service_replicas_running", "Replicas of a service on this node, scraped or not."],
      ["service_replicas_scraped", "Replicas of a service on this node whose last scrape succeeded."],
      ["service_replicas_stale", "Replicas of a service on this node that have metrics, but no fresh ones."],
    ],
    ["name"],
    () => replicasOnNode(cache, targets(), desiredReplicas().keys()),
  );
}

/** @param services are counted even if none of their replicas is on this node. */
function* replicasOnNode(
  cache: Cache,
  statuses: readonly TargetStatus[],
  services: Iterable<string>,
): Generator<[labels: { name: string }, counts: [running: number, scraped: number, stale: number]]> {
  const counts = new Map<string, [running: number, scraped: number, stale: number]>();
  const countsOf = (name: string) => {
    const known = counts.get(name);
    if (known !== undefined || counts.size === maxServices) return known;
    const zero: [number, number, number] = [0, 0, 0];
    counts.set(name, zero);
    return zero;
  };
  for (const name of services) countsOf(name);
  const own = cache.own === undefined ? undefined : cache.feed(cache.own);
  for (const status of statuses) {
    const count = countsOf(status.target.job);
    if (count === undefined) continue;
    count[0]++;
    if (status.state === "up") count[1]++;
    const scrape = own?.scrapes.newestOf(status.target.id);
    if (hasMetrics(status) && (scrape === undefined || !cache.isFresh(scrape))) count[2]++;
  }
  for (const [name, values] of counts) yield [{ name }, values];
}
