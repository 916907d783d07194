import { request } from "undici";
import { onTestFinished } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { Publisher } from "../../src/cache/publisher.js";
import type { Access } from "../../src/config/access.js";
import { silentLogger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { ReplicationView } from "../../src/model/replication-status.js";
import type { Scrape } from "../../src/model/scrape.js";
import type { Target } from "../../src/model/target.js";
import type { ProviderStatus, TargetStatus } from "../../src/model/target-status.js";
import { Scheduler } from "../../src/scheduler.js";
import { startHttpServer } from "../../src/server/http-server.js";
import type { Relay } from "../../src/server/relay/relay.js";
import type { CpuLimits } from "../../src/server/responses/preparation.js";
import { PreparedResponses } from "../../src/server/responses/prepared-responses.js";
import { createTelemetry } from "../../src/telemetry.js";
import { manualClock } from "./manual-clock.js";
import { FeedWriter, publishScrape, type ScrapeFields, scrapeFor } from "./scrapes.js";
import { targetAt } from "./target-server.js";

const ownNode = "node1";

/** A server with an empty cache, and functions to fill the cache and to send requests. */
export async function setUpServer(
  options: {
    targets?: TargetStatus[];
    providers?: ProviderStatus[];
    notReady?: string[];
    replication?: ReplicationView;
    advertiseAddress?: string;
    relay?: Relay;
    access?: Access;
    /** Memory for responses; 64 MiB by default. */
    responseBytes?: number;
    cpuLimits?: CpuLimits;
    /** HISTORY in seconds; 60 by default. STALE_AFTER is 30. */
    history?: number;
  } = {},
) {
  const { history = 60, responseBytes = 64 * 1024 * 1024, cpuLimits, ...context } = options;
  const clock = manualClock();
  const budget = new MemoryBudget(64 * 1024 * 1024);
  const parts = { clock, budget, logger: silentLogger, history };
  const cache = new Cache({ ...parts, staleAfter: 30 });
  const scheduler = new Scheduler();
  const responses = new PreparedResponses(
    cache,
    new MemoryBudget(responseBytes),
    scheduler,
    silentLogger,
    cpuLimits,
  );
  const publisher = new Publisher({
    ...parts,
    cache,
    origin: () => ownNode,
    instance: "instance of this node",
    travels: () => true,
  });
  onTestFinished(() => publisher.stop());
  const telemetry = createTelemetry("1.2.3");
  const { targets = [], providers = [{ name: "docker" }], notReady = [], ...rest } = context;
  const { replication = { status: undefined, reason: "SSHPASS is not set" }, ...others } = rest;
  const server = await startHttpServer(
    { host: "127.0.0.1", port: 0 },
    {
      version: "1.2.3",
      cache,
      responses,
      scheduler,
      clock,
      logger: silentLogger,
      telemetry,
      node: () => ownNode,
      targets: () => targets,
      providers: () => providers,
      notReady: () => notReady,
      replication: () => replication,
      ...others,
    },
  );
  onTestFinished(() => server.stop());
  const get = async (
    path: string,
    headers: Record<string, string> = {},
    method: "GET" | "HEAD" | "POST" = "GET",
  ) => {
    const response = await request(`http://127.0.0.1:${server.port}${path}`, { headers, method });
    const body = Buffer.from(await response.body.arrayBuffer());
    return { status: response.statusCode, headers: response.headers, body, text: body.toString() };
  };
  const nodes = new Map<string, FeedWriter>();
  /** The feed of another node. */
  const node = (origin: string): FeedWriter => {
    const known = nodes.get(origin) ?? new FeedWriter(origin, { cache, clock, budget });
    nodes.set(origin, known);
    return known;
  };
  /** Adds a scrape of this node, or of the node `origin`. */
  const put = (fields: ScrapeFields = {}): Scrape => {
    const { origin = ownNode } = fields;
    return origin === ownNode ? publishScrape(publisher, scrapeFor(clock, fields)) : node(origin).put(fields);
  };
  return { clock, cache, responses, publisher, get, put, node, server, telemetry, port: server.port };
}

/** The status of a target; `up` by default. */
export function statusOf(fields: Partial<TargetStatus> = {}, target: Partial<Target> = {}): TargetStatus {
  return { target: targetAt("http://127.0.0.1/metrics", target), state: "up", failures: 0, ...fields };
}

/** A response of `/federate` without the metrics about scrapes. */
export function withoutReports(text: string): string {
  return text.replace(/^(# (HELP|TYPE) )?(up|scrape_duration_seconds|scrape_samples_scraped)[ {].*\n/gm, "");
}
