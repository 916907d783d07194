import { Cache } from "../cache/cache.js";
import { loadServiceLabels } from "../cache/service-label-file.js";
import { systemClock } from "../model/clock.js";
import type { TargetStatus } from "../model/target-status.js";
import { createScanning } from "./scanning.js";
import type { Surroundings } from "./surroundings.js";

/** What one cycle found, for a look without a server. */
export interface ScanReport {
  readonly targets: readonly TargetStatus[];
  readonly cache: Cache;
  /** What the providers that could not list say, and whether any could. */
  readonly failures: readonly { readonly provider: string; readonly reason: string }[];
  readonly anyListed: boolean;
}

/** Runs a single cycle, by the labels of services that the running proxy has kept; nothing is written to disk. */
export async function scanOnce(surroundings: Surroundings): Promise<ScanReport> {
  const stopping = new AbortController();
  const cache = new Cache({ clock: systemClock, staleAfter: surroundings.config.staleAfter });
  const scanning = await createScanning(surroundings, cache, stopping.signal);
  const { cycle, scanner, scraper, serviceLabels } = scanning;
  await loadServiceLabels(surroundings.config.cacheDir, serviceLabels);
  await cycle();
  stopping.abort();
  await scraper.close();
  const providers = scanner.providerStatuses();
  return {
    targets: scanner.statuses(),
    cache,
    failures: providers.flatMap(({ name, failing }) =>
      failing === undefined ? [] : [{ provider: name, reason: failing.reason }],
    ),
    anyListed: providers.some(({ failing }) => failing === undefined),
  };
}
