import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { Cache } from "./cache/cache.js";
import { DiskStore } from "./cache/disk-store.js";
import { loadIdentity } from "./cache/epoch-file.js";
import { findNameClashes, type NameClash } from "./cache/name-clashes.js";
import { keepServiceLabels, loadServiceLabels } from "./cache/service-label-file.js";
import { ServiceLabelTable } from "./cache/service-label-table.js";
import { loadAccess } from "./config/access.js";
import type { Config } from "./config/config.js";
import { originFigures } from "./daemon/origin-figures.js";
import { createRelay } from "./daemon/relaying.js";
import { Replicating } from "./daemon/replicating.js";
import { replicationMode } from "./daemon/replication-mode.js";
import { openCredentials, scrapeTimes } from "./daemon/scrape-credentials.js";
import { clockTeller } from "./daemon/tell-clocks.js";
import { createDockerClient } from "./discovery/docker/client.js";
import { createEngineApi, type EngineApi } from "./discovery/docker/engine-api.js";
import { createDockerProvider } from "./discovery/docker/provider.js";
import { createFileProvider } from "./discovery/file/provider.js";
import type { TargetProvider } from "./discovery/provider.js";
import { DiscoveryError, describeError } from "./errors.js";
import type { Logger } from "./logging.js";
import { systemClock } from "./model/clock.js";
import { clockOffsets } from "./model/clock-offset.js";
import type { Entry } from "./model/entry.js";
import { originName } from "./model/origin-name.js";
import { hasMetrics, type TargetStatus, targetStates } from "./model/target-status.js";
import { startReplication } from "./replication/replication.js";
import { startCron } from "./scan/cron.js";
import { createHttpScraper } from "./scan/http-scraper.js";
import { Scanner } from "./scan/scanner.js";
import { startHttpServer } from "./server/http-server.js";
import { PreparedAnswers } from "./server/prepared-answers.js";
import { watchWebConfig } from "./server/web-config-watch.js";
import { createTelemetry, type ServiceFigures, type TargetFigures } from "./telemetry.js";

/** What every part is made from. */
export interface Surroundings {
  readonly config: Config;
  readonly logger: Logger;
  readonly version: string;
}

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
const defaultSocket = "/var/run/docker.sock";

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

  const answers = new PreparedAnswers(cache, logger);
  const tellNameClashes = nameClashTeller(logger);
  const tellClocks = clockTeller(logger);
  let scanned = false;
  telemetry.observe({
    states: targetStates,
    targets: () => scanner.statuses().map(figuresOf),
    cache: () => ({ ...cache.totals, diskFailing: store.failing }),
    services: () => countReplicas(cache.fresh()),
    nameClashes: () => findNameClashes(cache.fresh()).length,
    mergeConflicts: async () => (await answers.leftOut()).length,
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
    answers,
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
    watchWebConfig({ settings: config, seen: accessFiles, use: server.use, logger, telemetry, signal }),
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

/** Replicates where that is asked for, as soon as it is known who this node is. */
async function startReplicating(
  { config, logger }: Surroundings,
  cache: Cache,
  { engine, telemetry, learnNodeName, serviceLabels }: Awaited<ReturnType<typeof createScanning>>,
  signal: AbortSignal,
) {
  const mode = await replicationMode(config, engine, signal);
  if (mode === undefined) return undefined;
  return startReplication({
    ...mode,
    listen: config.sshListen,
    replicateTo: config.replicateTo,
    cache,
    serviceLabels,
    cacheDir: config.cacheDir,
    staleAfter: config.staleAfter,
    maxBytes: config.scrapeMaxBytes,
    ...(config.advertiseAddress === undefined ? {} : { advertise: config.advertiseAddress }),
    interval: config.scrapeInterval,
    origin: originName(await learnNodeName(), config.listen),
    clock,
    logger,
    telemetry,
  });
}

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
  const cache = new Cache({ clock, staleAfter: surroundings.config.staleAfter });
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

/** The parts of discovering and scraping, wired up. */
async function createScanning({ config, logger, version }: Surroundings, cache: Cache, signal: AbortSignal) {
  // First of all, for a file that cannot be used stops the start.
  const credentials = await openCredentials(config, logger);
  const telemetry = createTelemetry(version);
  const engine = usesDocker(config) ? createEngine(config) : undefined;
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
    clock,
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

/** How targets are told who asks them. */
function userAgentOf(version: string): string {
  return `app-metrics-proxy/${version}`;
}

/** Docker is left out only where a targets file is given and there is no sign of an engine. */
function usesDocker({ targetsFile, docker }: Config): boolean {
  return targetsFile === undefined || docker.host !== undefined || existsSync(defaultSocket);
}

/** An engine that hangs must not use up the cycle: its calls get half of it, within 2 to 10 s. */
function createEngine({ docker, scrapeInterval }: Config): EngineApi {
  const timeoutMs = Math.min(Math.max(scrapeInterval / 2, 2), 10) * 1000;
  return createEngineApi(createDockerClient(docker), timeoutMs);
}

function createProviders(
  config: Config,
  logger: Logger,
  engine: EngineApi | undefined,
  serviceLabels: ServiceLabelTable,
): TargetProvider[] {
  const providers: TargetProvider[] = [];
  if (engine !== undefined) {
    providers.push(
      createDockerProvider({
        engine,
        ports: config.ports,
        path: config.metricsPath,
        ...(config.hostAddress === undefined ? {} : { hostAddress: config.hostAddress }),
        ownListenPort: config.listen.port,
        serviceLabels: () => serviceLabels.labels,
        logger,
      }),
    );
  }
  if (config.targetsFile !== undefined) {
    providers.push(createFileProvider({ path: config.targetsFile, defaultPath: config.metricsPath }));
  }
  return providers;
}

/** Logs each clash of names once, for as long as it lasts. */
function nameClashTeller(logger: Logger): (clashes: readonly NameClash[]) => void {
  let told = new Set<string>();
  return (clashes) => {
    const now = new Map(clashes.map((clash) => [JSON.stringify(clash), clash]));
    for (const [key, { name, jobs }] of now) {
      if (!told.has(key))
        logger.warn("several services answer to one name; each has its full name to itself", { name, jobs });
    }
    told = new Set(now.keys());
  };
}

function countReplicas(entries: readonly Entry[]): ServiceFigures[] {
  const replicas = new Map<string, number>();
  for (const { job } of entries) replicas.set(job, (replicas.get(job) ?? 0) + 1);
  return [...replicas].map(([name, count]) => ({ name, replicas: count }));
}

function figuresOf({ target, state, lastSuccess, lastDuration }: TargetStatus): TargetFigures {
  return {
    name: target.job,
    replica: target.replica,
    state,
    hasMetrics: hasMetrics({ state }),
    ...(lastSuccess === undefined ? {} : { lastSuccess }),
    ...(lastDuration === undefined ? {} : { lastDuration }),
  };
}
