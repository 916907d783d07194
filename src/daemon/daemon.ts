import { DiskLog } from "../cache/disk-log.js";
import { lockFolder } from "../cache/folder-lock.js";
import { loadAccess } from "../config/access.js";
import { createDockerClient } from "../discovery/docker/client.js";
import { maxGzipBytes } from "../fetch/read-response.js";
import { MemoryBudget, responsesShare } from "../memory-budget.js";
import { systemClock as clock } from "../model/clock.js";
import type { Target } from "../model/target.js";
import { startCron } from "../scan/cron.js";
import type { Scheduler } from "../scheduler.js";
import { startHttpServer } from "../server/http-server.js";
import { reloadWebConfig } from "../server/listener/web-config-reload.js";
import { Relay } from "../server/relay/relay.js";
import { createSystemResolver } from "../server/relay/system-resolver.js";
import { PreparedResponses } from "../server/responses/prepared-responses.js";
import { observeEventLoopDelay } from "../telemetry/event-loop-delay.js";
import { createReporter, observe } from "./observe.js";
import { Replicating, startReplicating } from "./replicating.js";
import { createScanning, type Environment, userAgentOf } from "./scanning.js";

/** The running proxy. */
export interface Daemon {
  /** Port of the HTTP server. */
  readonly port: number;
  /** Port of the SSH server, if there is one. */
  readonly sshPort: number | undefined;
  /**
   * Resolves when replication runs, is not needed, or waits for the Docker engine. Rejects if it can never run; the
   * cache is served until then.
   */
  readonly started: Promise<void>;
  /** Stops all parts in reverse order. Resolves when the cache is on disk. */
  stop(): Promise<void>;
}

/**
 * Starts all parts in this order: discover, scrape, cache, replicate, serve.
 *
 * @throws AppError if the configuration cannot be used, or a port is not available.
 */
export async function startDaemon(environment: Environment): Promise<Daemon> {
  const { config, logger } = environment;
  for (const warning of config.warnings) logger.warn(warning);
  const unlock = await lockFolder(config.cacheDir);
  try {
    return await startParts(environment, unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

async function startParts(environment: Environment, unlock: () => Promise<void>): Promise<Daemon> {
  const { config, logger, version } = environment;
  const stopping = new AbortController();
  const { signal } = stopping;
  const accessFiles = new Map<string, string>();
  const access = await loadAccess(config, accessFiles, signal);

  const scanning = await createScanning(environment, signal);
  const { cache, budget, scanner, scheduler, scraper, publisher, telemetry, node, swarm } = scanning;
  const forResponses = new MemoryBudget(config.memoryMaxBytes * responsesShare);
  const responses = new PreparedResponses(cache, forResponses, scheduler, logger);
  budget.addEvictor((bytesNeeded, origin) => cache.evict(bytesNeeded, origin));
  const log = new DiskLog({
    folder: config.cacheDir,
    cache,
    clock,
    logger,
    budget,
    history: config.history,
    maxScrapeBytes: maxGzipBytes(config.scrapeMaxBytes),
  });
  await log.load();
  cache.addListener({ onComplete: (held) => log.append(held) });

  let scanned = false;
  observe({
    telemetry,
    cache,
    targets: () => scanner.statuses(),
    desiredReplicas: () => swarm.desiredReplicas(),
    diskFailing: () => log.failing,
    mergeConflicts: () => responses.omissions().length,
  });
  observeEventLoopDelay(telemetry.metrics, signal);
  const report = createReporter(logger, cache);
  const replicating = new Replicating((stopped) => startReplicating(environment, scanning, stopped), logger);
  const relay = createRelay(environment, scheduler, () => scanner.statuses().map(({ target }) => target));
  const server = await startHttpServer(config.listen, {
    version,
    cache,
    responses,
    scheduler,
    clock,
    logger,
    telemetry,
    node,
    ...(config.advertiseAddress === undefined ? {} : { advertiseAddress: config.advertiseAddress }),
    targets: () => scanner.statuses(),
    providers: () => scanner.providerStatuses(),
    replication: () => replicating.view(),
    notReady: () => [
      ...(scanned ? [] : ["first scan not finished"]),
      ...(replicating.ready ? [] : ["first attempt to reach other nodes not finished"]),
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
      cache.expire();
      report();
      if (scanned) replicating.afterScan();
    },
  });
  void scanner.firstScan.then(() => {
    scanned = true;
    replicating.afterScan();
  });

  // Last, so that the cache is served even if the engine hangs.
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
      publisher.stop();
      await replicating.stop();
      stopping.abort();
      await watching;
      await scraper.close();
      await log.close();
      await unlock();
      logger.info("stopped");
    },
  };
}

/** The relay, if RELAY_ALLOW is set. @param targets the targets of this node. */
function createRelay(
  { config, version }: Pick<Environment, "config" | "version">,
  scheduler: Scheduler,
  targets: () => Iterable<Target>,
): Relay | undefined {
  if (config.relayAllow === undefined) return undefined;
  return new Relay({
    allow: config.relayAllow,
    engine: createDockerClient(config.docker).address,
    targets,
    resolve: createSystemResolver(),
    maxBytes: config.scrapeMaxBytes,
    timeout: config.scrapeTimeout,
    userAgent: userAgentOf(version),
    scheduler,
  });
}
