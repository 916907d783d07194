// One node of a swarm: a cache on disk and replication over SSH, connected as in the daemon. The scrapes are read from the
// folder of the targets beforehand, so that only replication is measured.
import { createHash } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Cache } from "../../dist/cache/cache.js";
import { DiskLog } from "../../dist/cache/disk-log.js";
import { Publisher } from "../../dist/cache/publisher.js";
import { createLogger } from "../../dist/logging/create-logger.js";
import { MemoryBudget } from "../../dist/memory-budget.js";
import { systemClock as clock } from "../../dist/model/clock.js";
import { startReplication } from "../../dist/replication/replication.js";
import { createTelemetry } from "../../dist/telemetry.js";
import { contentType, textFile } from "./targets.mjs";

const { folder, cacheDir, origin, listen, targets, peers, task, manager, replicateTo, samples, staleAfter } =
  JSON.parse(process.env.NODE);
const maxScrapeBytes = 64 * 1024 * 1024;
const interval = 10;

/** All TCP connections of this process, dialled or accepted. */
const sockets = [];
subscribe("net.client.socket", ({ socket }) => sockets.push(socket));
subscribe("net.server.socket", ({ socket }) => sockets.push(socket));

const logger = createLogger({ level: process.env.BENCH_LOG ?? "error", format: "json" });
const budget = new MemoryBudget(512 * 1024 * 1024);
// As with the defaults: HISTORY is three intervals.
const history = 3 * interval;
const common = { clock, logger, budget, history, origin, instance: origin, interval };
const cache = new Cache({ ...common, staleAfter });
budget.addEvictor((bytes) => cache.evict(bytes));
const publisher = new Publisher({ ...common, cache, origin: () => origin, travels: () => true });
const log = new DiskLog({ ...common, folder: cacheDir, cache, maxScrapeBytes });
await log.load();
cache.addListener({ onComplete: (held) => log.append(held) });
const replication = await startReplication({
  ...common,
  listen,
  secret: process.env.SSHPASS,
  source: { task, list: async () => ({ peers }) },
  manager: () => manager,
  replicateTo,
  cache,
  publisher,
  maxScrapeBytes,
  telemetry: createTelemetry("benchmark"),
  // Thirty processes share two cores: each waits for its turn.
  connectMs: 60_000,
  timeouts: { silence: 120_000, idle: 120_000, fetch: 600_000 },
});

let texts = [];
const commands = {
  /** Reads the scrapes of a moment. */
  async read(moment) {
    texts = await Promise.all(targets.map((target) => readFile(textFile(folder, moment, target))));
    return texts.reduce((sum, { length }) => sum + length, 0);
  },
  /**
   * Records them, as a scan does, and publishes them. Returns when the publication began, on the machine's monotonic
   * clock in seconds, and its number.
   */
  async publish() {
    const published = clock.monotonic();
    publisher.listed("docker", targets.map(statusOf));
    for (const [index, gzip] of texts.entries()) {
      const outcome = { gzip, contentType, size: gzip.readUInt32LE(gzip.length - 4), samples };
      // Times and durations as in a real scan, which differ from target to target: they do not compress well.
      const begun = published - 700 * Math.random();
      publisher.attempted(statusOf(targets[index]), {
        begun,
        duration: 0.004 + 0.03 * Math.random(),
        outcome,
      });
    }
    const at = now();
    publisher.endCycle();
    cache.expire();
    return { origin, at, number: cache.feed(origin).held };
  },
  async refresh() {
    await replication.refresh();
  },
  /** Waits until this node has these publications; returns the time. */
  async has(publications) {
    const isHere = ({ origin, number }) => (cache.feed(origin)?.held ?? 0) >= number;
    for (let left = publications; left.length > 0; left = left.filter((one) => !isHere(one))) await sleep(5);
    return now();
  },
  async now() {
    return now();
  },
  async figures() {
    const { user, system } = process.cpuUsage();
    const total = (direction) => sockets.reduce((sum, socket) => sum + socket[direction], 0);
    const { scrapes: entries } = cache.totals;
    const dials = replicateTo === "all" || manager;
    const peers = dials ? replication.status().peers.filter(({ state }) => state !== "connected") : [];
    const apart = peers.map(({ title, state, lastError }) => `${title}: ${lastError ?? state}`);
    return {
      cpu: (user + system) / 1e6,
      in: total("bytesRead"),
      out: total("bytesWritten"),
      rss: process.memoryUsage.rss(),
      entries,
      apart,
    };
  },
};

process.on("message", async ({ id, command, argument }) => {
  process.send({ id, result: await commands[command](argument) });
});
process.on("disconnect", () => process.exit());
process.send({ ready: true });

/** The status of a task of a Swarm service. */
function statusOf(index) {
  const job = `shop_web-${Math.floor(index / 20)}`;
  const target = {
    id: `docker:${createHash("sha256").update(`${origin} ${index}`).digest("hex")}`,
    provider: "docker",
    title: job,
    names: [job.slice("shop_".length), job],
    job,
    replica: String((index % 20) + 1),
    scope: "replicated",
    stack: "shop",
    labels: {},
    startedAt: 1.7e12 + index * 977,
  };
  return { target, state: "up", failures: 0, url: `http://10.0.${index >> 8}.${index & 255}:8080/metrics` };
}

function now() {
  return Number(process.hrtime.bigint()) / 1e9;
}
