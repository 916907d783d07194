import { request } from "undici";
import { onTestFinished } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import type { Access } from "../../src/config/access.js";
import { silentLogger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { ReplicationView } from "../../src/model/replication-status.js";
import type { Scrape } from "../../src/model/scrape.js";
import type { Target } from "../../src/model/target.js";
import type { ProviderStatus, TargetStatus } from "../../src/model/target-status.js";
import { startHttpServer } from "../../src/server/http-server.js";
import type { Relay } from "../../src/server/relay/relay.js";
import { PreparedResponses } from "../../src/server/responses/prepared-responses.js";
import { createTelemetry } from "../../src/telemetry.js";
import { entryFor, manualClock } from "./entries.js";
import { targetAt } from "./target-server.js";

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
    federateSeconds?: number;
  } = {},
) {
  const clock = manualClock();
  const cache = new Cache({ clock, staleAfter: 30 });
  const telemetry = createTelemetry("1.2.3");
  const { targets = [], providers = [{ name: "docker" }], notReady = [], ...rest } = options;
  const { replication = { status: undefined, reason: "SSHPASS is not set" }, ...others } = rest;
  const server = await startHttpServer(
    { host: "127.0.0.1", port: 0 },
    {
      version: "1.2.3",
      cache,
      responses: new PreparedResponses(cache, new MemoryBudget(64 * 1024 * 1024)),
      clock,
      logger: silentLogger,
      telemetry,
      node: () => "node1",
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
  const put = (fields: Partial<Scrape> & { text?: string } = {}) => {
    const entry = entryFor(clock, fields);
    cache.put(entry);
    return entry;
  };
  /** Adds a scrape from another node, as replication does. */
  const take = (origin: string, fields: Partial<Scrape> & { text?: string } = {}) => {
    const entry = entryFor(clock, { origin, epoch: 1, sequence: 1, renewed: 1, ...fields });
    cache.holdings.take(entry);
    return entry;
  };
  return { clock, cache, get, put, take, server, telemetry, port: server.port };
}

/** The status of a target; `up` by default. */
export function statusOf(fields: Partial<TargetStatus> = {}, target: Partial<Target> = {}): TargetStatus {
  return { target: targetAt("http://127.0.0.1/metrics", target), state: "up", failures: 0, ...fields };
}
