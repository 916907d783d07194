import { randomUUID } from "node:crypto";
import { Cache } from "../cache/cache.js";
import { MemoryBudget } from "../memory-budget.js";
import { systemClock } from "../model/clock.js";
import type { Scrape } from "../model/scrape.js";
import type { TargetStatus } from "../model/target-status.js";
import { createScanning, type Environment } from "./scanning.js";

/** The result of a single scan. */
export interface ScanReport {
  readonly targets: readonly TargetStatus[];
  readonly scrapeOf: (id: string) => Scrape | undefined;
  /** The providers that failed to list. */
  readonly failures: readonly { readonly provider: string; readonly reason: string }[];
  /** Whether any provider listed its targets. */
  readonly anyListed: boolean;
}

/** Scans once. Nothing is written to disk or published. */
export async function scanOnce(environment: Environment): Promise<ScanReport> {
  const { config, logger } = environment;
  const stopping = new AbortController();
  const budget = new MemoryBudget(config.memoryMaxBytes);
  const cache = new Cache({ ...config, clock: systemClock, budget, logger });
  const options = { cache, budget, instance: randomUUID(), signal: stopping.signal };
  const { cycle, scanner, scraper, publisher } = await createScanning(environment, options);
  await cycle();
  stopping.abort();
  publisher.stop();
  await scraper.close();
  const providers = scanner.providerStatuses();
  return {
    targets: scanner.statuses(),
    scrapeOf: (id) => publisher.lastScrape(id),
    failures: providers.flatMap(({ name, failing }) =>
      failing === undefined ? [] : [{ provider: name, reason: failing.reason }],
    ),
    anyListed: providers.some(({ failing }) => failing === undefined),
  };
}
