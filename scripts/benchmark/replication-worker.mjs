// One node of a swarm: a cache on disk and replication over SSH, put together as the daemon does it. What a scan would
// bring is read from the folder of the targets beforehand, so that all that is measured is replication.
import { subscribe } from "node:diagnostics_channel";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Cache } from "../../dist/cache/cache.js";
import { DiskStore } from "../../dist/cache/disk-store.js";
import { ServiceLabelTable } from "../../dist/cache/service-label-table.js";
import { createLogger } from "../../dist/logging/create-logger.js";
import { systemClock as clock } from "../../dist/model/clock.js";
import { unpublished } from "../../dist/model/scrape.js";
import { compareVersions } from "../../dist/model/version.js";
import { startReplication } from "../../dist/replication/replication.js";
import { createTelemetry } from "../../dist/telemetry.js";
import { contentType, textFile } from "./targets.mjs";

const { folder, cacheDir, origin, listen, targets, peers, manager, replicateTo, samples, staleAfter } =
  JSON.parse(process.env.NODE);
const maxBytes = 64 * 1024 * 1024;

/** Every TCP connection of this process, from either end. */
const sockets = [];
subscribe("net.client.socket", ({ socket }) => sockets.push(socket));
subscribe("net.server.socket", ({ socket }) => sockets.push(socket));

const logger = createLogger({ level: process.env.BENCH_LOG ?? "error", format: "json" });
const store = new DiskStore({ folder: cacheDir, clock, logger, maxBytes });
const cache = new Cache({ clock, staleAfter, store });
const replication = await startReplication({
  listen,
  secret: process.env.SSHPASS,
  source: { list: async () => ({ manager, peers }) },
  replicateTo,
  travels: () => true,
  cache,
  serviceLabels: new ServiceLabelTable(),
  cacheDir,
  maxBytes,
  origin,
  clock,
  logger,
  telemetry: createTelemetry("benchmark"),
  interval: 10,
  // Thirty processes on two cores: who is silent waits for its turn.
  limits: { idleMs: 60_000, exchangeMs: 600_000 },
});

let texts = [];
const commands = {
  /** Reads the texts of a moment. */
  async read(moment) {
    texts = await Promise.all(targets.map((target) => readFile(textFile(folder, moment, target))));
    return texts.reduce((sum, { length }) => sum + length, 0);
  },
  /** Puts them into the cache, as a scan does. Answers what this node then has of its own. */
  async put() {
    const now = { scrapedAt: clock.now(), measuredAt: clock.monotonic() };
    for (const [index, gzip] of texts.entries()) cache.put(entryOf(targets[index], gzip, now));
    cache.dropStale();
    cache.holdings.confirm();
    return { origin, ...cache.holdings.versionOf(origin) };
  },
  async flush() {
    await store.flush();
  },
  async cycle() {
    await replication.cycle();
  },
  /** Waits until this node has all that; answers the moment, on the machine's monotonic clock in seconds. */
  async has(versions) {
    const isThere = (version) => compareVersions(cache.holdings.versionOf(version.origin), version) >= 0;
    for (let left = versions; left.length > 0; left = left.filter((version) => !isThere(version))) {
      await sleep(5);
    }
    return now();
  },
  async now() {
    return now();
  },
  async figures() {
    const { user, system } = process.cpuUsage();
    const total = (direction) => sockets.reduce((sum, socket) => sum + socket[direction], 0);
    const { entries } = cache.totals;
    const peers = replication.status().peers.filter(({ state }) => state !== "connected");
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

/** What a scan makes of a target of a Swarm service. */
function entryOf(target, gzip, { scrapedAt, measuredAt }) {
  const id = `docker:${String(target).padStart(64, "0")}`;
  const job = `shop_web-${Math.floor(target / 20)}`;
  return {
    id,
    names: [job.slice("shop_".length), job],
    job,
    replica: String((target % 20) + 1),
    scope: "replicated",
    stack: "shop",
    origin,
    gzip,
    contentType,
    size: gzip.readUInt32LE(gzip.length - 4),
    samples,
    url: `http://10.0.${target >> 8}.${target & 255}:8080/metrics`,
    scrapedAt,
    duration: 0.004 + target / 1e6,
    startedAt: 1.7e12 + target * 977,
    measuredAt,
    ...unpublished,
  };
}

function now() {
  return Number(process.hrtime.bigint()) / 1e9;
}
