import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Cache } from "../cache/cache.js";
import { Publisher } from "../cache/publisher.js";
import type { Config } from "../config/config.js";
import { createDockerClient } from "../discovery/docker/client.js";
import { EngineApi } from "../discovery/docker/engine-api.js";
import { createDockerProvider } from "../discovery/docker/provider.js";
import { createFileProvider } from "../discovery/file/provider.js";
import { describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import { arrivingShare, MemoryBudget, responsesShare } from "../memory-budget.js";
import { systemClock } from "../model/clock.js";
import { originName } from "../model/origin-name.js";
import type { Target } from "../model/target.js";
import { type Credentials, openScrapeCredentials } from "../scan/credentials/scrape-credentials.js";
import { createHttpScraper } from "../scan/http-scraper.js";
import { Scanner } from "../scan/scanner.js";
import { Scheduler } from "../scheduler.js";
import { createTelemetry } from "../telemetry.js";
import { SwarmObserver } from "./swarm-observer.js";

/** What all parts need. */
export interface Environment {
  readonly config: Config;
  readonly logger: Logger;
  readonly version: string;
}

/** The parts that discover and scrape, and the cache that they fill. */
export type Scanning = Awaited<ReturnType<typeof createScanning>>;

const defaultSocket = "/var/run/docker.sock";
/** Milliseconds that the first scan waits for the labels of services. */
const firstSwarmMs = 500;

/** The User-Agent header of requests to targets. */
export function userAgentOf(version: string): string {
  return `app-metrics-proxy/${version}`;
}

/** @throws ConfigError where SCRAPE_AUTH_FILE is invalid. */
export async function createScanning({ config, logger, version }: Environment, signal: AbortSignal) {
  const budget = new MemoryBudget(config.memoryMaxBytes * (1 - responsesShare - arrivingShare));
  const scheduler = new Scheduler();
  const cache = new Cache({ ...config, clock: systemClock, budget, logger });
  const instance = randomBytes(9).toString("base64url");
  const credentials = await openCredentials(config, logger);
  const telemetry = createTelemetry(version);
  const engine = createEngine(config);
  let nodeName = engine === undefined ? hostname() : undefined;
  const node = () => nodeName ?? hostname();
  const learnNodeName = async () => {
    nodeName = (await engine?.nodeHostname(signal)) ?? hostname();
    return nodeName;
  };
  const swarm = new SwarmObserver(cache, engine, logger);
  // Until replication starts: what travels in any case, so that the first scrapes reach other nodes, too.
  let travels = ({ scope }: Pick<Target, "scope">): boolean =>
    config.sshPass !== undefined &&
    nodeName !== undefined &&
    (config.peers.length > 0 || scope === "replicated");
  const publisher = new Publisher({
    cache,
    budget,
    clock: systemClock,
    logger,
    instance,
    origin: () => originName(node(), config.listen),
    travels: (target) => travels(target),
    history: config.history,
    ...(config.advertiseAddress === undefined ? {} : { advertise: config.advertiseAddress }),
  });
  const scraper = createHttpScraper({
    ...scrapeTimes(config),
    maxBytes: config.scrapeMaxBytes,
    userAgent: userAgentOf(version),
    scheduler,
    ...(credentials && { credentials }),
  });
  const { targetsFile, metricsPath } = config;
  const serviceLabels = () => swarm.serviceLabels();
  const providers = [
    ...(engine === undefined ? [] : [createDockerProvider({ ...config, engine, serviceLabels, logger })]),
    ...(targetsFile === undefined ? [] : [createFileProvider(targetsFile, metricsPath, node)]),
  ];
  const scanner = new Scanner({
    providers,
    scraper,
    publisher,
    clock: systemClock,
    logger,
    telemetry,
    interval: config.scrapeInterval,
    concurrency: config.scrapeConcurrency,
    signal,
  });
  let isFirst = true;
  let observing: Promise<void> | undefined;
  const observe = () => {
    observing ??= swarm.observe(publisher, signal).finally(() => {
      observing = undefined;
    });
    return observing;
  };
  return {
    cache,
    budget,
    /** Random id of this process. */
    instance,
    scanner,
    scheduler,
    scraper,
    publisher,
    telemetry,
    engine,
    swarm,
    learnNodeName,
    node,
    /** Selects the targets whose scrapes go to other nodes. */
    replicate: (which: typeof travels) => {
      travels = which;
    },
    /** One scan. Only the first one waits for the engine before it scrapes. */
    async cycle() {
      const named = learnNodeName().catch((error) => {
        logger.debug("node name unknown", { error: describeError(error) });
      });
      const first = isFirst;
      isFirst = false;
      if (first) await named;
      const observed = observe();
      if (first) await Promise.race([observed, sleep(firstSwarmMs, undefined, { ref: false })]);
      await Promise.all([named, observed, scanner.cycle()]);
    },
  };
}

/** @throws ConfigError where SCRAPE_AUTH_FILE is invalid. */
export async function openCredentials(config: Config, logger: Logger): Promise<Credentials | undefined> {
  if (config.scrapeAuthFile === undefined) return undefined;
  return await openScrapeCredentials({
    path: config.scrapeAuthFile,
    clock: systemClock,
    logger,
    ...scrapeTimes(config),
  });
}

/** The timeout of a scrape, and how long an idle connection is kept, in seconds. */
function scrapeTimes({ scrapeInterval, scrapeTimeout }: Config) {
  return { timeout: scrapeTimeout, keepAlive: scrapeInterval + scrapeTimeout };
}

/** The Docker engine; undefined with a targets file and no sign of an engine. */
function createEngine({ targetsFile, docker, scrapeInterval }: Config): EngineApi | undefined {
  if (targetsFile !== undefined && docker.host === undefined && !existsSync(defaultSocket)) return undefined;
  // A request to an engine that hangs fails, and is reported, before the next cycle.
  const timeoutMs = Math.min(Math.max(scrapeInterval / 2, 2), 10) * 1000;
  return new EngineApi(createDockerClient(docker), timeoutMs);
}
