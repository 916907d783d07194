import { gunzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { Publisher } from "../../src/cache/publisher.js";
import type { Logger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { Target } from "../../src/model/target.js";
import { createHttpScraper } from "../../src/scan/http-scraper.js";
import { Scanner } from "../../src/scan/scanner.js";
import { Scheduler } from "../../src/scheduler.js";
import { createTelemetry } from "../../src/telemetry.js";
import { fakeProvider } from "../support/fake-provider.js";
import { freePort } from "../support/free-port.js";
import { manualClock } from "../support/manual-clock.js";
import { FeedWriter } from "../support/scrapes.js";
import { type Answer, answerWith, startTarget, startTcpTarget, targetAt } from "../support/target-server.js";

const metrics = answerWith("up 1\n");
const indexPage = answerWith("<html></html>\n", "text/html");

function setUp(...targets: Target[]) {
  const provider = fakeProvider(...targets);
  const clock = manualClock();
  const stopping = new AbortController();
  const scraper = createHttpScraper({
    timeout: 1,
    keepAlive: 10,
    maxBytes: 1024 * 1024,
    userAgent: "test",
    scheduler: new Scheduler(),
  });
  const log: string[] = [];
  const say = (message: string) => void log.push(message);
  const logger: Logger = { error: say, warn: say, info: say, debug: () => undefined };
  const telemetry = createTelemetry("0.0.0");
  const parts = { clock, logger, budget: new MemoryBudget(64 * 1024 * 1024), history: 600 };
  const cache = new Cache({ ...parts, staleAfter: 30 });
  const publisher = new Publisher({
    ...parts,
    cache,
    origin: () => "node1",
    instance: "instance of this node",
    travels: () => true,
  });
  const earlierProcess = new FeedWriter("node1", { ...parts, cache });
  const scanner = new Scanner({
    providers: [provider],
    scraper,
    publisher,
    clock,
    logger,
    telemetry,
    interval: 10,
    concurrency: 64,
    signal: stopping.signal,
  });
  onTestFinished(async () => {
    stopping.abort();
    publisher.stop();
    await scraper.close();
  });
  const status = (id = "test:1") => scanner.statuses().find(({ target }) => target.id === id);
  const text = (name = "web") => cache.named(name).map((entry) => gunzipSync(entry.gzip).toString());
  return { provider, clock, cache, earlierProcess, scanner, log, telemetry, status, text, stopping };
}

describe("a scan cycle", () => {
  it("caches the scrape with the identity of the target and the time", async () => {
    const target = await startTarget(metrics);
    const { scanner, cache, clock, status } = setUp(targetAt(target.url, { stack: "shop" }));
    await scanner.cycle();
    expect(cache.feed("node1")?.scrapes.newestOf("test:1")).toMatchObject({
      names: ["web"],
      job: "web",
      replica: "1",
      stack: "shop",
      origin: "node1",
      samples: 1,
      url: target.url,
      scrapedAt: clock.now(),
    });
    expect(status()).toMatchObject({ state: "up", url: target.url, failures: 0, lastSuccess: clock.now() });
  });

  it("publishes what it attempted, with the reason of each failure", async () => {
    const good = await startTarget(metrics);
    const page = await startTarget(answerWith("broken", "text/plain", 500));
    const { scanner, cache, clock } = setUp(targetAt(good.url), targetAt(page.url, { id: "test:2" }));
    await scanner.cycle();
    const feed = cache.feed("node1")!;
    expect(feed.publications().map(({ publication }) => publication)).toMatchObject([
      {
        kind: "targets",
        targets: [
          { id: "test:1", state: "up", url: good.url, since: clock.now() },
          { id: "test:2", state: "no metrics", reason: "HTTP status 500" },
        ],
      },
      { kind: "batch", attempts: expect.arrayContaining([expect.anything(), expect.anything()]) },
    ]);
    expect(feed.scrapes.attemptsOf("test:1")).toMatchObject([{ outcome: { samples: 1 } }]);
    expect(feed.scrapes.attemptsOf("test:2")).toMatchObject([{ outcome: { reason: "HTTP status 500" } }]);
  });

  it("publishes a batch without attempts if nothing was due", async () => {
    const { scanner, cache } = setUp();
    await scanner.cycle();
    await scanner.cycle();
    const batches = cache
      .feed("node1")!
      .publications()
      .filter(({ publication }) => publication.kind === "batch");
    expect(batches).toMatchObject([{ publication: { attempts: [] } }, { publication: { attempts: [] } }]);
  });

  it("selects the first URL with metrics and scrapes only that one afterwards", async () => {
    const page = await startTarget(indexPage);
    const first = await startTarget(metrics);
    const second = await startTarget(metrics);
    const { scanner, status } = setUp(targetAt([page.url, first.url, second.url]));
    await scanner.cycle();
    await scanner.cycle();
    await scanner.cycle();
    expect(status()?.url).toBe(first.url);
    expect(page.requests).toHaveLength(1);
    expect(first.requests).toEqual(["GET /metrics", "GET /metrics", "GET /metrics"]);
  });

  it("uses the URL of a newer list, also if a scrape of the old URL ends later", async () => {
    const old = await startTarget(
      (request, response) => void setTimeout(() => metrics(request, response), 50),
    );
    const next = await startTarget(metrics);
    const { scanner, provider, status } = setUp(targetAt(old.url));
    await scanner.cycle();
    provider.targets = [targetAt(next.url)];
    await scanner.cycle();
    await scanner.cycle();
    await scanner.cycle();
    expect(status()?.url).toBe(next.url);
    expect(old.requests).toHaveLength(2);
  });

  it("is not delayed by a URL that never responds", async () => {
    const silent = await startTcpTarget(() => undefined);
    const good = await startTarget(metrics);
    const { scanner, status } = setUp(targetAt([silent.url, good.url]));
    await scanner.cycle();
    expect(status()).toMatchObject({ state: "up", url: good.url });
  });

  it("scrapes the other URLs in the same cycle if the selected one fails", async () => {
    const moved = await startTarget(metrics);
    const old = await startTarget(metrics);
    const { scanner, status } = setUp(targetAt([old.url, moved.url]));
    await scanner.cycle();
    expect(status()?.url).toBe(old.url);
    await old.close();
    await scanner.cycle();
    expect(status()).toMatchObject({ state: "up", url: moved.url });
  });

  it("replaces the scrape of a known target by a response without samples: it is up, with no samples", async () => {
    let answer: Answer = metrics;
    const target = await startTarget((request, response) => answer(request, response));
    const closed = `http://127.0.0.1:${await freePort()}/metrics`;
    const { scanner, cache, status, text } = setUp(targetAt([closed, target.url]));
    await scanner.cycle();
    for (const empty of ["", "# HELP up Nothing yet.\n"]) {
      answer = answerWith(empty);
      await scanner.cycle();
      expect(status()).toMatchObject({ state: "up", failures: 0, url: target.url });
      expect(cache.named("web")).toMatchObject([{ samples: 0, size: empty.length }]);
      expect(text()).toEqual([empty]);
    }
    answer = answerWith("starting", "text/plain", 503);
    await scanner.cycle();
    expect(status()?.state).toBe("down");
    answer = answerWith("");
    await scanner.cycle();
    expect(status()).toMatchObject({ state: "up", url: target.url });
    expect(text()).toEqual([""]);
  });

  it("accepts a first response without samples from a target whose port is stated", async () => {
    const target = await startTarget(answerWith(""));
    const { scanner, status, text, telemetry } = setUp(targetAt(target.url, { expected: true }));
    await scanner.cycle();
    expect(status()).toMatchObject({ state: "up", url: target.url });
    expect(text()).toEqual([""]);
    expect((await telemetry.expose()).text).toContain('app_metrics_proxy_scrapes_total{outcome="success"} 1');
  });

  it("rejects an exposition without samples from a port that was only tried", async () => {
    const empty = await startTarget(answerWith("# nothing yet\n"));
    const good = await startTarget(metrics);
    const { scanner, status } = setUp(targetAt([empty.url, good.url]));
    await scanner.cycle();
    expect(status()?.url).toBe(good.url);
  });

  it("keeps the last scrape until it is stale while the target fails, and reports the reason", async () => {
    let answer: Answer = metrics;
    const target = await startTarget((request, response) => answer(request, response));
    const { scanner, clock, status, text, log } = setUp(targetAt(target.url));
    await scanner.cycle();
    answer = answerWith("broken", "text/plain", 500);
    for (let seconds = 0; seconds < 30; seconds += 10) {
      clock.advance(10);
      await scanner.cycle();
      expect(text()).toEqual(["up 1\n"]);
    }
    clock.advance(1);
    expect(text()).toEqual([]);
    expect(status()).toMatchObject({ state: "down", reason: "HTTP status 500", failures: 3 });
    expect(log.filter((line) => line === "scrape failed")).toHaveLength(1);
  });

  it("reports why each URL failed", async () => {
    const page = await startTarget(indexPage);
    const closed = await freePort();
    const { scanner, status } = setUp(targetAt([page.url, `http://127.0.0.1:${closed}/metrics`]));
    await scanner.cycle();
    expect(status()?.state).toBe("no metrics");
    expect(status()?.reason).toMatch(
      new RegExp(
        `^127.0.0.1:${page.port}: not a valid exposition: line 1: .*; 127.0.0.1:${closed}: connection refused$`,
      ),
    );
  });

  it("does not scrape an unreachable target and reports the reason", async () => {
    const fetch = { kind: "none", state: "unreachable", reason: "no shared network (it is on: db)" } as const;
    const { scanner, status } = setUp(targetAt([], { fetch }));
    await scanner.cycle();
    expect(status()).toMatchObject({ state: "unreachable", reason: "no shared network (it is on: db)" });
  });

  it("counts scrapes by outcome", async () => {
    const good = await startTarget(metrics);
    const page = await startTarget(indexPage);
    const { scanner, telemetry } = setUp(targetAt(good.url), targetAt(page.url, { id: "test:2" }));
    await scanner.cycle();
    const { text } = await telemetry.expose();
    expect(text).toContain('app_metrics_proxy_scrapes_total{outcome="success"} 1');
    expect(text).toContain('app_metrics_proxy_scrapes_total{outcome="invalid"} 1');
  });
});

describe("targets without metrics", () => {
  it("are scraped with exponential backoff, at least every five minutes", async () => {
    const page = await startTarget(indexPage);
    const { scanner, clock } = setUp(targetAt(page.url));
    const scraped: number[] = [];
    for (let seconds = 0; seconds <= 1300; seconds += 10) {
      const before = page.requests.length;
      await scanner.cycle();
      if (page.requests.length > before) scraped.push(seconds);
      clock.advance(10);
    }
    expect(scraped).toEqual([0, 10, 30, 70, 150, 310, 610, 910, 1210]);
  });

  it("are scraped in every cycle if a label states that they have metrics", async () => {
    const page = await startTarget(indexPage);
    const { scanner, clock, status } = setUp(targetAt(page.url, { expected: true }));
    for (let cycle = 0; cycle < 5; cycle++) {
      await scanner.cycle();
      clock.advance(10);
    }
    expect(page.requests).toHaveLength(5);
    expect(status()?.state).toBe("down");
  });

  it("are scraped in every cycle if they had metrics before", async () => {
    let answer: Answer = metrics;
    const target = await startTarget((request, response) => answer(request, response));
    const { scanner, clock } = setUp(targetAt(target.url));
    await scanner.cycle();
    answer = indexPage;
    for (let cycle = 0; cycle < 5; cycle++) {
      clock.advance(10);
      await scanner.cycle();
    }
    expect(target.requests).toHaveLength(6);
  });
});

describe("targets without their credentials", () => {
  const asking = (url: string, fields: Partial<Target> = {}) =>
    targetAt(url, { fetch: { kind: "http", urls: [url, `${url}/2`], auth: "team" }, ...fields });

  it("are not scraped, and the reason is in the status and once in the log", async () => {
    const target = await startTarget(metrics);
    const { scanner, status, log, telemetry } = setUp(asking(target.url, { expected: true }));
    for (let cycle = 0; cycle < 3; cycle++) await scanner.cycle();
    expect(target.requests).toEqual([]);
    expect(status()).toMatchObject({
      state: "down",
      reason: expect.stringMatching(/^not scraped: SCRAPE_AUTH_FILE has no entry "team"/),
    });
    expect(log).toEqual(["target not scraped"]);
    expect((await telemetry.expose()).text).toMatch(/scrapes_total\{outcome="credentials"\} 3/);
  });

  it("are tried in every cycle", async () => {
    const target = await startTarget(metrics);
    const { scanner, status, provider } = setUp(asking(target.url));
    for (let cycle = 0; cycle < 3; cycle++) await scanner.cycle();
    expect(status()?.failures).toBe(3);
    provider.targets = [targetAt(target.url)];
    await scanner.cycle();
    await scanner.cycle();
    expect(status()?.state).toBe("up");
  });

  it("keep the selected URL for the time when the credentials are available again", async () => {
    const target = await startTarget(metrics);
    const { scanner, status, provider } = setUp(targetAt(target.url));
    await scanner.cycle();
    provider.targets = [asking(target.url)];
    await scanner.cycle();
    await scanner.cycle();
    expect(status()).toMatchObject({ state: "down", url: target.url });
  });
});

describe("a list of targets", () => {
  it("without a known target removes its scrape", async () => {
    const target = await startTarget(metrics);
    const { scanner, provider, cache } = setUp(targetAt(target.url));
    await scanner.cycle();
    provider.targets = [];
    await scanner.cycle();
    expect(scanner.statuses()).toEqual([]);
    expect(cache.all()).toEqual([]);
    expect(cache.feed("node1")?.targets).toMatchObject([{ id: "test:1", state: "gone" }]);
  });

  it("that fails keeps the known targets, which are still scraped, and is logged once at its start and end", async () => {
    const target = await startTarget(metrics);
    const { scanner, provider, text, log, clock } = setUp(targetAt(target.url));
    await scanner.cycle();
    provider.failure = "the engine is unreachable";
    const since = clock.now();
    for (let cycle = 0; cycle < 3; cycle++) {
      await scanner.cycle();
      clock.advance(10);
    }
    expect(text()).toEqual(["up 1\n"]);
    expect(target.requests).toHaveLength(4);
    expect(scanner.providerStatuses()).toEqual([
      { name: "test", failing: { since, reason: "the engine is unreachable" } },
    ]);
    provider.failure = undefined;
    await scanner.cycle();
    expect(scanner.providerStatuses()).toEqual([{ name: "test" }]);
    expect(log.filter((line) => line.startsWith("target"))).toEqual([
      "targets not listed: scraping the known ones",
      "target list recovered",
    ]);
  });

  it("removes restored scrapes of its provider that it does not contain", async () => {
    const closed = `http://127.0.0.1:${await freePort()}/metrics`;
    const { scanner, cache, earlierProcess, status } = setUp(targetAt(closed));
    earlierProcess.put({ id: "test:1", url: closed });
    earlierProcess.put({ id: "test:gone", replica: "2" });
    earlierProcess.put({ id: "file:other", replica: "3" });
    await scanner.cycle();
    expect(cache.all().map(({ id }) => id)).toEqual(["test:1"]);
    expect(status()).toMatchObject({ state: "down", reason: "connection refused" });
  });

  it("removes restored scrapes of providers that are no longer configured, not of those that fail", async () => {
    const { scanner, provider, cache, clock, earlierProcess } = setUp();
    provider.failure = "the engine is unreachable";
    earlierProcess.put({ id: "test:1" });
    earlierProcess.put({ id: "file:other", replica: "3" });
    await scanner.cycle();
    expect(cache.all().map(({ id }) => id)).toEqual(["test:1"]);
    expect(cache.feed("node1")?.targets).toMatchObject([
      { id: "test:1", state: "up" },
      { id: "file:other", state: "gone" },
    ]);
    // HISTORY later, it is no longer listed.
    clock.advance(601);
    await scanner.cycle();
    expect(cache.feed("node1")?.targets).toMatchObject([{ id: "test:1", state: "up" }]);
    const { number } = cache.feed("node1")!.targetsDocument!.publication;
    await scanner.cycle();
    expect(cache.feed("node1")!.targetsDocument!.publication.number).toBe(number);
  });

  it("with an invalid label is logged once", async () => {
    const target = await startTarget(metrics);
    const { scanner, log } = setUp(targetAt(target.url, { problems: ['metrics.port="abc"'] }));
    await scanner.cycle();
    await scanner.cycle();
    expect(log.filter((line) => line.includes("label"))).toHaveLength(1);
  });

  it("with a new invalid label of a known target is logged once", async () => {
    const target = await startTarget(metrics);
    const { scanner, provider, log } = setUp(targetAt(target.url, { problems: ["old"] }));
    await scanner.cycle();
    const reported = () => log.filter((line) => line === "invalid label ignored").length;
    expect(reported()).toBe(1);
    provider.targets = [targetAt(target.url, { problems: ["old", "new"] })];
    await scanner.cycle();
    await scanner.cycle();
    expect(reported()).toBe(2);
  });
});

describe("between two cycles", () => {
  it("a target that starts is scraped at once and again until it has metrics", async () => {
    const port = await freePort();
    const { scanner, provider, text } = setUp();
    void scanner.watch();
    await scanner.cycle();
    provider.targets = [targetAt(`http://127.0.0.1:${port}/metrics`)];
    provider.tell({ kind: "started", id: "test:1" });
    await vi.waitFor(() => expect(scanner.statuses()).toHaveLength(1), { timeout: 1000 });
    await startTarget(metrics, port);
    await vi.waitFor(() => expect(text()).toEqual(["up 1\n"]), { timeout: 3000 });
  });

  it("the first scrapes of a target that starts slowly do not count for its backoff", async () => {
    let answer: Answer = answerWith("starting", "text/plain", 503);
    const target = await startTarget((request, response) => answer(request, response));
    const { scanner, provider, clock, status, text } = setUp();
    void scanner.watch();
    provider.targets = [targetAt(target.url)];
    provider.tell({ kind: "started", id: "test:1" });
    await vi.waitFor(() => expect(status()?.failures).toBeGreaterThanOrEqual(4), { timeout: 5000 });
    answer = metrics;
    clock.advance(10);
    await scanner.cycle();
    expect(text()).toEqual(["up 1\n"]);
  });

  it("a target that stops is removed at once, and a list requested earlier does not restore it", async () => {
    const target = await startTarget(metrics);
    const { scanner, provider, cache } = setUp(targetAt(target.url));
    void scanner.watch();
    await scanner.cycle();
    let answer: (targets: Target[]) => void = () => undefined;
    provider.list = () => new Promise((resolve) => (answer = resolve));
    const cycle = scanner.cycle();
    provider.tell({ kind: "stopped", id: "test:1" });
    expect(cache.all()).toEqual([]);
    answer(provider.targets);
    await cycle;
    expect(scanner.statuses()).toEqual([]);
  });

  it("a stopped target stays removed while lists still contain it, until it starts", async () => {
    const target = await startTarget(metrics);
    const { scanner, provider, clock, text } = setUp(targetAt(target.url));
    void scanner.watch();
    await scanner.cycle();
    provider.tell({ kind: "stopped", id: "test:1" });
    clock.advance(0.1);
    await scanner.cycle();
    expect(scanner.statuses()).toEqual([]);
    provider.tell({ kind: "started", id: "test:1" });
    await vi.waitFor(() => expect(text()).toEqual(["up 1\n"]), { timeout: 2000 });
  });

  it("a stopped target is restored by later lists without a start event", async () => {
    const target = await startTarget(metrics);
    const { scanner, provider, clock, text } = setUp(targetAt(target.url));
    void scanner.watch();
    await scanner.cycle();
    provider.tell({ kind: "stopped", id: "test:1" });
    clock.advance(11);
    await scanner.cycle();
    expect(text()).toEqual(["up 1\n"]);
  });

  it("cycles and changes never request a list while another is in progress", async () => {
    const target = await startTarget(metrics);
    const { scanner, provider, text } = setUp();
    void scanner.watch();
    const { list } = provider;
    const answer: ((targets: Target[]) => void)[] = [];
    provider.list = () => new Promise((resolve) => answer.push(resolve));
    const slow = scanner.cycle();
    await scanner.cycle();
    provider.tell({ kind: "changed" });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(answer).toHaveLength(1);
    provider.list = list;
    provider.targets = [targetAt(target.url)];
    answer[0]!([]);
    await slow;
    await vi.waitFor(() => expect(text()).toEqual(["up 1\n"]), { timeout: 1000 });
    expect(provider.lists).toBe(1);
  });

  it("many changes at once cause one list request", async () => {
    const { scanner, provider } = setUp();
    void scanner.watch();
    for (let change = 0; change < 100; change++) provider.tell({ kind: "changed" });
    await vi.waitFor(() => expect(provider.lists).toBe(1), { timeout: 1000 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(provider.lists).toBe(1);
  });

  it("continuous changes cause one list request at a time", async () => {
    const { scanner, provider } = setUp();
    void scanner.watch();
    let underWay = 0;
    let most = 0;
    let lists = 0;
    provider.list = async () => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 300));
      underWay--;
      lists++;
      return [];
    };
    const changes = setInterval(() => {
      provider.tell({ kind: "changed" });
      provider.tell({ kind: "started", id: "test:gone" });
    }, 20);
    onTestFinished(() => clearInterval(changes));
    await vi.waitFor(() => expect(lists).toBeGreaterThanOrEqual(4), { timeout: 5000 });
    expect(most).toBe(1);
  });

  it("a scrape that ends after its target stopped is ignored", async () => {
    let finish: () => void = () => undefined;
    const target = await startTarget((request, response) => {
      finish = () => metrics(request, response);
    });
    const { scanner, provider, cache } = setUp(targetAt(target.url));
    void scanner.watch();
    const cycle = scanner.cycle();
    await vi.waitFor(() => expect(target.requests).toHaveLength(1));
    provider.tell({ kind: "stopped", id: "test:1" });
    finish();
    await cycle;
    expect(cache.all()).toEqual([]);
  });

  it("no work continues after the end", async () => {
    const { scanner, provider, stopping } = setUp();
    const watching = scanner.watch();
    provider.tell({ kind: "started", id: "test:1" });
    stopping.abort();
    await watching;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(provider.lists).toBe(0);
  });
});
