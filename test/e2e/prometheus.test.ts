import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { Publisher } from "../../src/cache/publisher.js";
import { type ConfigOptions, type ConfigStyle, prometheusConfig } from "../../src/cli/prometheus-config.js";
import { silentLogger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import { systemClock } from "../../src/model/clock.js";
import type { Target } from "../../src/model/target.js";
import type { TargetStatus } from "../../src/model/target-status.js";
import { createHttpScraper, type Scraper } from "../../src/scan/http-scraper.js";
import { Scanner } from "../../src/scan/scanner.js";
import { Scheduler } from "../../src/scheduler.js";
import { type HttpServer, startHttpServer } from "../../src/server/http-server.js";
import { PreparedResponses } from "../../src/server/responses/prepared-responses.js";
import { createTelemetry } from "../../src/telemetry.js";
import { describeUnless } from "../support/describe-unless.js";
import { fakeProvider } from "../support/fake-provider.js";
import {
  prometheusMissing,
  prometheusQuery,
  prometheusTargets,
  type RunningPrometheus,
  startPrometheus,
} from "../support/prometheus.js";
import { findServer } from "../support/prometheus-versions.js";
import { targetAt } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";

/** How long two proxies are federated. With 300 or more, rates over minutes are checked, too. */
const federateSeconds = Number(process.env["TEST_FEDERATE_SECONDS"] ?? 30);
const interval = 2;
const origin = "node1";
const replicas = ["1", "2", "3", "4", "5", "6"];
/** By how much the counter of the exporters rises per second. */
const slope = 100;

/** Two proxies on loopback: the first scrapes, the second gets everything that it publishes a cycle later. */
class Pair {
  readonly #stopping = new AbortController();
  readonly #begun = Date.now();
  readonly provider = fakeProvider();
  readonly urls: string[] = [];
  /** Whether the exporters respond with an error. */
  isFailing = false;
  #exporter: Server | undefined;
  #servers: HttpServer[] = [];
  #scraper: Scraper | undefined;
  #timer: NodeJS.Timeout | undefined;
  #publisher: Publisher | undefined;

  async start(): Promise<void> {
    this.#exporter = createServer((_request, response) => {
      if (this.isFailing) {
        response.writeHead(500).end();
        return;
      }
      const value = ((Date.now() - this.#begun) / 1000) * slope;
      response.setHeader("content-type", "text/plain; version=0.0.4");
      response.end(
        `# HELP work_total Work done.\n# TYPE work_total counter\nwork_total{kind="a"} ${value}\n`,
      );
    });
    await new Promise<void>((resolve) => this.#exporter?.listen(0, "127.0.0.1", resolve));
    this.provider.targets = replicas.map((replica) => this.target(replica));
    const budgets = [0, 1].map(() => new MemoryBudget(64 * 1024 * 1024));
    const parts = { clock: systemClock, logger: silentLogger, history: 60 };
    const caches = budgets.map((budget) => new Cache({ ...parts, budget, staleAfter: 60 }));
    const [first, second] = caches as [Cache, Cache];
    const publisher = new Publisher({
      ...parts,
      cache: first,
      budget: budgets[0]!,
      origin: () => origin,
      instance: "a test",
      travels: () => true,
    });
    this.#publisher = publisher;
    const scheduler = new Scheduler();
    this.#scraper = createHttpScraper({
      timeout: 1,
      keepAlive: 10,
      maxBytes: 1e6,
      userAgent: "test",
      scheduler,
    });
    const scanner = new Scanner({
      providers: [this.provider],
      scraper: this.#scraper,
      publisher,
      clock: systemClock,
      logger: silentLogger,
      telemetry: createTelemetry("0"),
      interval,
      concurrency: 8,
      signal: this.#stopping.signal,
    });
    const cycle = async () => {
      follow(first, second, budgets[1]!);
      await scanner.cycle();
    };
    await cycle();
    await cycle();
    this.#timer = setInterval(() => void cycle(), interval * 1000);
    for (const cache of caches) {
      const responses = new PreparedResponses(cache, new MemoryBudget(64 * 1024 * 1024), scheduler);
      this.#servers.push(await this.#serve(cache, responses, () => scanner.statuses()));
    }
    for (const { port } of this.#servers) this.urls.push(`http://127.0.0.1:${port}`);
  }

  target(replica: string): Target {
    const { port } = this.#exporter!.address() as AddressInfo;
    const names = ["web", "shop_web"];
    return targetAt(`http://127.0.0.1:${port}/metrics`, {
      id: `test:${replica}`,
      names,
      job: "shop_web",
      replica,
    });
  }

  #serve(cache: Cache, responses: PreparedResponses, targets: () => TargetStatus[]): Promise<HttpServer> {
    return startHttpServer(
      { host: "127.0.0.1", port: 0 },
      {
        version: "0",
        cache,
        responses,
        scheduler: new Scheduler(),
        clock: systemClock,
        logger: silentLogger,
        telemetry: createTelemetry("0"),
        node: () => origin,
        targets,
        providers: () => [{ name: "test" }],
        notReady: () => [],
        replication: () => ({ status: undefined, reason: "a test" }),
      },
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    this.#publisher?.stop();
    await this.#scraper?.close();
    await Promise.all(this.#servers.map((server) => server.stop()));
    this.#exporter?.closeAllConnections();
    this.#exporter?.close();
  }
}

/** Copies what the origin has published from one cache to another, as a link does. */
function follow(from: Cache, to: Cache, budget: MemoryBudget): void {
  const feed = from.feed(origin);
  for (const held of feed?.publicationsAbove(to.feed(origin)?.held ?? 0) ?? []) {
    for (const number of to.add(held)) {
      const gzip = feed?.scrapes.gzipOf(number);
      if (gzip !== undefined && budget.take(gzip.length)) to.addScrape(origin, number, gzip);
    }
  }
}

async function until(condition: () => Promise<boolean>, seconds: number): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`condition not met within ${seconds} s`);
    await sleep(200);
  }
}

describeUnless(prometheusMissing(), "a real Prometheus", () => {
  const pair = new Pair();
  const running: RunningPrometheus[] = [];

  /** Starts a Prometheus with a printed configuration. */
  async function start(config: string): Promise<RunningPrometheus> {
    const prometheus = await startPrometheus({ config });
    running.push(prometheus);
    return prometheus;
  }

  beforeAll(() => pair.start());
  afterAll(async () => {
    await Promise.all(running.map((prometheus) => prometheus.stop()));
    await pair.stop();
  });

  it("scrapes six replicas under one name once, each with its instance, whatever other proxies serve", async () => {
    const prometheus = await start(await prometheusConfig(pair.urls, "static", { interval: 1 }));
    await until(async () => (await prometheusQuery(prometheus, "work_total")).length >= 6, 20);
    await until(async () => (await prometheusQuery(prometheus, 'up{job="shop_web"} == 1')).length === 2, 20);
    const series = await prometheusQuery(prometheus, "work_total");
    const identity = (replica: string) => ({
      __name__: "work_total",
      job: "shop_web",
      instance: `shop_web.${replica}`,
      kind: "a",
    });
    expect(series.map(({ metric }) => metric)).toEqual(replicas.map(identity));
    // The identity stays if one replica is left, and the other proxy does not look down.
    pair.provider.targets = [pair.target("3")];
    await until(async () => (await prometheusQuery(prometheus, "work_total")).length === 1, 30);
    const [left] = await prometheusQuery(prometheus, "work_total");
    expect(left?.metric).toEqual(identity("3"));
    expect(await prometheusQuery(prometheus, 'up{job="shop_web"} == 0')).toEqual([]);
    pair.provider.targets = replicas.map((replica) => pair.target(replica));
    await until(async () => (await prometheusQuery(prometheus, "work_total")).length === 6, 30);
  }, 120_000);

  it("scrapes a single replica unchanged", async () => {
    const { host } = new URL(pair.urls[0]!);
    const prometheus = await start(
      `scrape_configs: [{ job_name: one, scrape_interval: 1s, scrape_timeout: 1s, metrics_path: /web/3/metrics, static_configs: [{ targets: ["${host}"] }] }]`,
    );
    await until(async () => (await prometheusQuery(prometheus, "work_total")).length === 1, 20);
    const [sample] = await prometheusQuery(prometheus, "work_total");
    expect(sample?.metric).toEqual({ __name__: "work_total", instance: host, job: "one", kind: "a" });
  });

  it(
    "federates two proxies, one a cycle behind, and stores every sample once",
    async () => {
      const prometheus = await start(await prometheusConfig(pair.urls, "federate", { interval: 1 }));
      await sleep(federateSeconds * 1000);
      const seconds = federateSeconds - 10;
      const counts = await prometheusQuery(prometheus, `count_over_time(work_total[${seconds}s])`);
      expect(counts).toHaveLength(6);
      for (const { metric, value } of counts) {
        expect(metric).toMatchObject({ job: "shop_web" });
        expect(metric["instance"]).toMatch(/^shop_web\.[1-6]$/);
        expect(Math.abs(value - seconds / interval)).toBeLessThanOrEqual(1);
      }
      // Every scrape of a replica has its own up; Prometheus adds one of each proxy.
      const ups = await prometheusQuery(prometheus, `sum_over_time(up{job="shop_web"}[${seconds}s])`);
      expect(ups).toHaveLength(6);
      for (const { value } of ups) expect(Math.abs(value - seconds / interval)).toBeLessThanOrEqual(1);
      // The difference between two samples is exact; rate() extrapolates to the ends of its range.
      const rates = await prometheusQuery(prometheus, `irate(work_total[${seconds}s])`);
      for (const { value } of rates) expect(Math.abs(value / slope - 1)).toBeLessThan(0.01);
      if (federateSeconds >= 300) {
        const long = await prometheusQuery(prometheus, "rate(work_total[4m])");
        expect(long).toHaveLength(6);
        for (const { value } of long) expect(Math.abs(value / slope - 1)).toBeLessThan(0.01);
      }
      const own = await (await fetch(`${prometheus.url}/metrics`)).text();
      expect(own).toContain("\nprometheus_target_scrapes_sample_duplicate_timestamp_total 0\n");
      // Samples of the slower proxy, which Prometheus already has, count as out of order.
      expect(own).toContain("\nprometheus_target_scrapes_sample_out_of_bounds_total 0\n");
      const targets = await prometheusTargets(prometheus);
      expect(targets.map(({ health, lastError }) => health + lastError)).toEqual(["up", "up", "up", "up"]);
    },
    (federateSeconds + 60) * 1000,
  );

  it("gets what it missed through the history, failed scrapes of a replica included", async () => {
    let reachable = true;
    const gate = createServer(async (request, response) => {
      const upstream = await fetch(new URL(request.url!, pair.urls[0]));
      response.writeHead(reachable ? 200 : 503, { "content-type": upstream.headers.get("content-type")! });
      response.end(await upstream.text());
    });
    await new Promise<void>((resolve) => gate.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = gate.address() as AddressInfo;
      const job = {
        job_name: "federate",
        scrape_interval: "1s",
        scrape_timeout: "1s",
        metrics_path: "/federate",
        params: { history: ["20"] },
        honor_labels: true,
        static_configs: [{ targets: [`127.0.0.1:${port}`] }],
      };
      const prometheus = await start(JSON.stringify({ scrape_configs: [job] }));
      const samplesIn = async (query: string) =>
        (await prometheusQuery(prometheus, query)).map(({ value }) => value);
      await until(async () => (await samplesIn("work_total")).length === 6, 20);
      await sleep(4000);
      reachable = false;
      pair.isFailing = true;
      await sleep(3 * interval * 1000);
      pair.isFailing = false;
      await sleep(3 * interval * 1000);
      reachable = true;
      await sleep(2 * interval * 1000);
      // As many attempts as in the same time without a gap, and those that failed are visible.
      const attempts = await samplesIn('count_over_time(up{job="shop_web"}[16s])');
      expect(attempts).toHaveLength(6);
      for (const count of attempts) expect(Math.abs(count - 16 / interval)).toBeLessThanOrEqual(2);
      const failed = await samplesIn(`count_over_time(up{job="shop_web"}[16s]) - sum_over_time(up[16s])`);
      for (const count of failed) expect(Math.abs(count - 3)).toBeLessThanOrEqual(2);
      const samples = await samplesIn("count_over_time(work_total[16s])");
      for (const count of samples) expect(Math.abs(count - (16 / interval - 3))).toBeLessThanOrEqual(2);
      const own = await (await fetch(`${prometheus.url}/metrics`)).text();
      expect(own).toContain("\nprometheus_target_scrapes_sample_duplicate_timestamp_total 0\n");
    } finally {
      gate.closeAllConnections();
      gate.close();
    }
  }, 90_000);

  it("follows replicas that start and end through /discovery", async () => {
    const config = withFastRefresh(await prometheusConfig(pair.urls, "http-sd", { interval: 1 }));
    const prometheus = await start(config);
    const instances = async () =>
      (await prometheusQuery(prometheus, 'up{job="shop_web"} == 1'))
        .map(({ metric }) => metric["instance"])
        .sort();
    await until(async () => (await instances()).length === 6, 30);
    pair.provider.targets = ["2", "7"].map((replica) => pair.target(replica));
    await until(async () => (await instances()).join() === "shop_web.2,shop_web.7", 30);
    const work = await prometheusQuery(prometheus, "work_total");
    expect(work.map(({ metric }) => metric["instance"]).sort()).toEqual(["shop_web.2", "shop_web.7"]);
    for (const { metric } of work) expect(metric).toMatchObject({ job: "shop_web" });
  }, 90_000);

  const styles = ["federate", "static", "http-sd"] as const;

  /** Writes a printed configuration to a file. */
  async function printed(style: ConfigStyle, options: ConfigOptions = {}): Promise<string> {
    const file = join(tempFolder(), "prometheus.yml");
    writeFileSync(file, await prometheusConfig(pair.urls, style, options));
    return file;
  }

  it("accepts every printed configuration", async () => {
    for (const style of styles) {
      const out = execFileSync("promtool", ["check", "config", await printed(style)], { encoding: "utf8" });
      expect(out).toContain("SUCCESS");
    }
  });

  it("accepts the responses to curl: promtool finds nothing", async () => {
    for (const path of ["/shop_web/metrics", "/shop_web/2/metrics?instance=always"]) {
      const input = await (await fetch(pair.urls[0] + path)).text();
      execFileSync("promtool", ["check", "metrics"], { input });
    }
  });

  it("VictoriaMetrics accepts every configuration that is printed for it", async ({ skip }) => {
    const server = await findServer("victoriametrics");
    if (!("program" in server)) return skip(server.reason);
    for (const style of styles) {
      const file = await printed(style, { reader: "victoriametrics" });
      const args = [`-promscrape.config=${file}`, "-promscrape.config.dryRun"];
      expect(spawnSync(server.program, args, { encoding: "utf8" })).toMatchObject({ status: 0 });
    }
  }, 120_000);
});

/** The printed configuration, with a new list of targets every second instead of every minute. */
function withFastRefresh(config: string): string {
  return config.replace(/(- url: .*\/discovery)/, "$1\n        refresh_interval: 1s");
}
