import { Cache } from "./cache/cache.js";
import { DiskStore } from "./cache/disk-store.js";
import { loadIdentity } from "./cache/epoch-file.js";
import { findNameClashes } from "./cache/name-clashes.js";
import { keepServiceLabels, loadServiceLabels } from "./cache/service-label-file.js";
import { loadAccess } from "./config/access.js";
import { serviceFigures, targetFigures } from "./daemon/figures.js";
import { originFigures } from "./daemon/origin-figures.js";
import { createRelay } from "./daemon/relaying.js";
import { Replicating } from "./daemon/replicating.js";
import { createScanning } from "./daemon/scanning.js";
import { startReplicating } from "./daemon/start-replicating.js";
import type { Surroundings } from "./daemon/surroundings.js";
import { clockTeller } from "./daemon/tell-clocks.js";
import { nameClashTeller } from "./daemon/tell-name-clashes.js";
import { userAgentOf } from "./daemon/user-agent.js";
import { DiscoveryError } from "./errors.js";
import { MemoryBudget } from "./memory-budget.js";
import { systemClock } from "./model/clock.js";
import { clockOffsets } from "./model/clock-offset.js";
import { targetStates } from "./model/target-status.js";
import { startCron } from "./scan/cron.js";
import { startHttpServer } from "./server/http-server.js";
import { reloadWebConfig } from "./server/listener/web-config-reload.js";
import { PreparedResponses } from "./server/responses/prepared-responses.js";

/** The proxy at work. */
export interface Daemon {
  /** The port of the HTTP server. */
  readonly port: number;
  /** The port of the SSH server, where there is one. */
  readonly sshPort: number | undefined;
  /**
   * Resolves when it is known whether there is something to replicate, and that runs, or waits for an engine that is
   * away. Rejects where it can never run; what is cached is served until then.
   */
  readonly started: Promise<void>;
  /** Ends everything in the reverse order of its start; what is cached is on disk then. */
  stop(): Promise<void>;
}

const clock = systemClock;

/** Builds the parts in the order of the flow: discover → scrape → cache → replicate → serve. */
export async function startDaemon(surroundings: Surroundings): Promise<Daemon> {
  const { config, logger, version } = surroundings;
  for (const warning of config.warnings) logger.warn(warning);
  const stopping = new AbortController();
  const { signal } = stopping;
  const accessFiles = new Map<string, string>();
  const access = await loadAccess(config, accessFiles, signal);

  const store = new DiskStore({ folder: config.cacheDir, clock, logger, maxBytes: config.scrapeMaxBytes });
  const cache = new Cache({ clock, staleAfter: config.staleAfter, store });
  const scanning = await createScanning(surroundings, cache, signal);
  const { scanner, scraper, telemetry, node, serviceLabels } = scanning;
  await loadServiceLabels(config.cacheDir, serviceLabels);
  const labelsKept = keepServiceLabels(config.cacheDir, serviceLabels, logger);
  const lastIdentity = await loadIdentity(config.cacheDir);
  const restored = cache.restore(await store.load(), lastIdentity?.origin);
  if (restored > 0) logger.info("serving what the cache on disk still has fresh", { entries: restored });

  const memory = new MemoryBudget(config.memoryMaxBytes);
  const responses = new PreparedResponses(cache, memory, logger);
  const tellNameClashes = nameClashTeller(logger);
  const tellClocks = clockTeller(logger);
  let scanned = false;
  telemetry.observe({
    states: targetStates,
    targets: () => scanner.statuses().map(targetFigures),
    cache: () => ({ ...cache.totals, diskFailing: store.failing }),
    services: () => serviceFigures(cache.fresh()),
    nameClashes: () => findNameClashes(cache.fresh()).length,
    mergeConflicts: () => responses.omissions().length,
  });
  telemetry.observeOrigins(() => originFigures(cache, clock));
  const replicating = new Replicating({
    logger,
    mayPass: (error) => error instanceof DiscoveryError,
    start: (signal) => startReplicating(surroundings, cache, scanning, signal),
  });
  const relay = createRelay(config, userAgentOf(version), () =>
    scanner.statuses().map(({ target }) => target),
  );
  const server = await startHttpServer(config.listen, {
    version,
    cache,
    responses,
    clock,
    logger,
    telemetry,
    node,
    ...(config.advertiseAddress === undefined ? {} : { advertiseAddress: config.advertiseAddress }),
    targets: () => scanner.statuses(),
    providers: () => scanner.providerStatuses(),
    replication: () => replicating.view(),
    notReady: () => [
      ...(scanned ? [] : ["the first scan is not done yet"]),
      ...(replicating.ready ? [] : ["the first attempt to exchange with other nodes is not done yet"]),
    ],
    ...(relay === undefined ? {} : { relay }),
    access,
  });
  logger.info("listening", {
    version,
    port: server.port,
    tls: access.tls !== undefined,
    node: node(),
    cacheDir: config.cacheDir,
  });

  const watching = Promise.all([
    scanner.watch(),
    reloadWebConfig({ settings: config, seen: accessFiles, use: server.use, logger, telemetry, signal }),
  ]);
  const stopCron = startCron({
    interval: config.scrapeInterval,
    clock,
    run: async () => {
      await scanning.cycle();
      scanned = true;
      tellNameClashes(findNameClashes(cache.fresh()));
      tellClocks(clockOffsets(cache.others(), clock));
      replicating.afterScan();
    },
    onSkip: () => {
      telemetry.scansSkipped.inc();
      logger.debug("a scan is left out: the one before is not done yet");
    },
  });

  // Not before all else runs: an engine that hangs must not keep what is cached from being served.
  const started = replicating.start().then(() => {
    if (scanned) replicating.afterScan();
  });
  started.catch(() => undefined);
  return {
    port: server.port,
    get sshPort() {
      return replicating.current?.port;
    },
    started,
    async stop() {
      await stopCron();
      await server.stop();
      await replicating.stop();
      stopping.abort();
      await watching;
      await scraper.close();
      await labelsKept();
      await store.flush();
      logger.info("stopped");
    },
  };
}
