import { type Scrape, servedOf } from "../model/scrape.js";
import type { ShownState, TargetStatus } from "../model/target-status.js";
import type { Cache } from "./cache.js";
import type { KnownTarget } from "./name-index.js";

/** A target that is up, but not served, because another one has the same job and instance. */
export interface ShadowedTarget {
  readonly shadowed: KnownTarget;
  /** The target that is served. */
  readonly served: KnownTarget;
}

type Claim = KnownTarget & { readonly scrape: Scrape };

/** The shadowed targets of all origins. Takes time only for instances that several targets have. */
export function findShadowed(cache: Cache): ShadowedTarget[] {
  const found: ShadowedTarget[] = [];
  for (const rivals of cache.index.rivals()) {
    const fresh = rivals.filter(
      (known): known is Claim => known.scrape !== undefined && cache.isFresh(known.scrape),
    );
    if (fresh.length < 2) continue;
    const scrape = servedOf(fresh.map((known) => known.scrape));
    const served = fresh.find((known) => known.scrape === scrape)!;
    for (const shadowed of fresh)
      if (shadowed !== served && shadowed.target.state === "up") found.push({ shadowed, served });
  }
  return found;
}

/** The statuses of this node's targets, with the state `shadowed`. */
export function withShadowed(
  statuses: readonly TargetStatus[],
  cache: Cache,
): readonly (Omit<TargetStatus, "state"> & { readonly state: ShownState })[] {
  const ids = new Set(
    findShadowed(cache).flatMap(({ shadowed }) => (cache.isOwn(shadowed) ? [shadowed.target.id] : [])),
  );
  if (ids.size === 0) return statuses;
  return statuses.map((status) =>
    ids.has(status.target.id) ? { ...status, state: "shadowed" as const } : status,
  );
}
