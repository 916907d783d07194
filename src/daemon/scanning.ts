import { hostname } from "node:os";
import type { Cache } from "../cache/cache.js";
import { ServiceLabelTable } from "../cache/service-label-table.js";
import { describeError } from "../errors.js";
import { systemClock } from "../model/clock.js";
import { originName } from "../model/origin-name.js";
import { createHttpScraper } from "../scan/http-scraper.js";
import { Scanner } from "../scan/scanner.js";
import { createTelemetry } from "../telemetry.js";
import { createEngine, createProviders } from "./providers.js";
import { openCredentials, scrapeTimes } from "./scrape-credentials.js";
import type { Surroundings } from "./surroundings.js";
import { userAgentOf } from "./user-agent.js";

/** What `createScanning` gives. */
export type Scanning = Awaited<ReturnType<typeof createScanning>>;

/** The parts of discovering and scraping, wired up. */
export async function createScanning(
  { config, logger, version }: Surroundings,
  cache: Cache,
  signal: AbortSignal,
) {
  // First of all, for a file that cannot be used stops the start.
  const credentials = await openCredentials(config, logger);
  const telemetry = createTelemetry(version);
  const engine = createEngine(config);
  let nodeName = hostname();
  let nodeNameKnown = engine === undefined;
  const learnNodeName = async () => {
    if (engine === undefined || nodeNameKnown) return nodeName;
    nodeName = await engine.nodeHostname(signal);
    nodeNameKnown = true;
    return nodeName;
  };
  const serviceLabels = new ServiceLabelTable();
  const scraper = createHttpScraper({
    ...scrapeTimes(config),
    maxBytes: config.scrapeMaxBytes,
    userAgent: userAgentOf(version),
    ...(credentials && { credentials }),
  });
  const scanner = new Scanner({
    providers: createProviders(config, logger, engine, serviceLabels),
    scraper,
    cache,
    clock: systemClock,
    logger,
    telemetry,
    interval: config.scrapeInterval,
    concurrency: config.scrapeConcurrency,
    node: () => originName(nodeName, config.listen),
    signal,
  });
  const cycle = async () => {
    await learnNodeName().catch((error) => {
      logger.debug("the engine does not say the name of this node", { error: describeError(error) });
    });
    await scanner.cycle();
  };
  return { scanner, scraper, telemetry, cycle, node: () => nodeName, engine, learnNodeName, serviceLabels };
}
