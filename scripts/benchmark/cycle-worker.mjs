// The parts of the proxy, connected as in the daemon. A run is one cycle, until everything is on disk.
import { Cache } from "../../dist/cache/cache.js";
import { DiskLog } from "../../dist/cache/disk-log.js";
import { Publisher } from "../../dist/cache/publisher.js";
import { readConfig } from "../../dist/config/config.js";
import { createFileProvider } from "../../dist/discovery/file/provider.js";
import { createLogger } from "../../dist/logging/create-logger.js";
import { MemoryBudget } from "../../dist/memory-budget.js";
import { systemClock as clock } from "../../dist/model/clock.js";
import { createHttpScraper } from "../../dist/scan/http-scraper.js";
import { Scanner } from "../../dist/scan/scanner.js";
import { Scheduler } from "../../dist/scheduler.js";
import { createTelemetry } from "../../dist/telemetry.js";
import { handleRuns } from "./worker.mjs";

const config = readConfig(process.env);
const logger = createLogger({ level: "error", format: "json" });
const budget = new MemoryBudget(config.memoryMaxBytes);
const common = { clock, logger, budget, history: config.history };
const cache = new Cache({ ...common, staleAfter: config.staleAfter });
budget.addEvictor((bytes) => cache.evict(bytes));
const log = new DiskLog({ ...common, folder: config.cacheDir, cache, maxScrapeBytes: config.scrapeMaxBytes });
await log.load();
cache.addListener({ onComplete: (held) => log.append(held) });
const scanner = new Scanner({
  providers: [createFileProvider(config.targetsFile, config.metricsPath, () => "benchmark")],
  scraper: createHttpScraper({
    timeout: config.scrapeTimeout,
    keepAlive: config.scrapeInterval + config.scrapeTimeout,
    maxBytes: config.scrapeMaxBytes,
    userAgent: "app-metrics-proxy/benchmark",
    scheduler: new Scheduler(),
  }),
  publisher: new Publisher({
    ...common,
    cache,
    origin: () => "benchmark",
    instance: "benchmark",
    travels: () => true,
  }),
  clock,
  logger,
  telemetry: createTelemetry("benchmark"),
  interval: config.scrapeInterval,
  concurrency: config.scrapeConcurrency,
  signal: new AbortController().signal,
});

handleRuns(async () => {
  const begun = clock.now();
  await scanner.cycle();
  cache.expire();
  await log.written();
  const fresh = cache.all().filter(({ scrapedAt }) => scrapedAt >= begun);
  return { entries: fresh.length, samples: fresh.reduce((sum, { samples }) => sum + samples, 0) };
});
