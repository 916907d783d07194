// The proxy's own parts, put together as the daemon does it; a run is one cycle with all of it on disk.
import { Cache } from "../../dist/cache/cache.js";
import { DiskStore } from "../../dist/cache/disk-store.js";
import { readConfig } from "../../dist/config/config.js";
import { createFileProvider } from "../../dist/discovery/file/provider.js";
import { createLogger } from "../../dist/logging/create-logger.js";
import { systemClock as clock } from "../../dist/model/clock.js";
import { createHttpScraper } from "../../dist/scan/http-scraper.js";
import { Scanner } from "../../dist/scan/scanner.js";
import { createTelemetry } from "../../dist/telemetry.js";
import { answerRuns } from "./worker.mjs";

const config = readConfig(process.env);
const logger = createLogger({ level: "error", format: "json" });
const store = new DiskStore({ folder: config.cacheDir, clock, logger, maxBytes: config.scrapeMaxBytes });
const cache = new Cache({ clock, staleAfter: config.staleAfter, store });
const scanner = new Scanner({
  providers: [createFileProvider({ path: config.targetsFile, defaultPath: config.metricsPath })],
  scraper: createHttpScraper({
    timeout: config.scrapeTimeout,
    keepAlive: config.scrapeInterval + config.scrapeTimeout,
    maxBytes: config.scrapeMaxBytes,
    userAgent: "app-metrics-proxy/benchmark",
  }),
  cache,
  clock,
  logger,
  telemetry: createTelemetry("benchmark"),
  interval: config.scrapeInterval,
  concurrency: config.scrapeConcurrency,
  node: () => "benchmark",
  signal: new AbortController().signal,
});
cache.restore(await store.load());

answerRuns(async () => {
  const begun = clock.now();
  await scanner.cycle();
  await store.flush();
  const fresh = cache.all().filter(({ scrapedAt }) => scrapedAt >= begun);
  return { entries: fresh.length, samples: fresh.reduce((sum, { samples }) => sum + samples, 0) };
});
