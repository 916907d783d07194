import type { Cache } from "../cache/cache.js";
import type { Clock } from "../model/clock.js";
import { clockOffsets } from "../model/clock-offset.js";
import type { OriginFigures } from "../telemetry/replication.js";

/** What the metrics tell of each origin that something is held of, this node included. */
export function originFigures(cache: Cache, clock: Clock): OriginFigures[] {
  const counts = new Map<string, number>();
  for (const { origin } of cache.all()) counts.set(origin, (counts.get(origin) ?? 0) + 1);
  for (const { origin } of cache.holdings.list()) counts.set(origin, counts.get(origin) ?? 0);
  const offsets = clockOffsets(cache.others(), clock);
  return [...counts].map(([origin, count]) => {
    const heardAt = origin === cache.holdings.own ? undefined : cache.holdings.get(origin)?.heardAt;
    const clockOffset = offsets.get(origin);
    return {
      origin,
      entries: count,
      ...(heardAt === undefined ? {} : { silence: Math.max(0, (clock.monotonic() - heardAt) / 1000) }),
      ...(clockOffset === undefined ? {} : { clockOffset }),
    };
  });
}
