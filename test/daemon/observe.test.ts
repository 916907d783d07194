import { describe, expect, it } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { findShadowed } from "../../src/cache/shadowed-targets.js";
import {
  clashReporter,
  clockReporter,
  createReporter,
  observe,
  shadowReporter,
} from "../../src/daemon/observe.js";
import { silentLogger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import { systemClock as clock } from "../../src/model/clock.js";
import { createTelemetry } from "../../src/telemetry.js";
import { recordingLogger } from "../support/daemon.js";
import { statusOf } from "../support/http-server.js";
import { FeedWriter } from "../support/scrapes.js";

function setUp() {
  const budget = new MemoryBudget(1024 * 1024);
  const cache = new Cache({ clock, budget, staleAfter: 30, history: 60, logger: silentLogger });
  const nodes = new Map<string, FeedWriter>();
  const node = (origin: string) => {
    const known = nodes.get(origin) ?? new FeedWriter(origin, { cache, clock, budget });
    nodes.set(origin, known);
    return known;
  };
  return { cache, node };
}

describe("the reporter of name conflicts", () => {
  const clash = { name: "web", jobs: ["blog_web", "shop_web"] };

  it("reports each conflict once, and again if it recurs or other services join", () => {
    const { logger, lines } = recordingLogger();
    const report = clashReporter(logger);
    report([]);
    report([clash]);
    report([clash]);
    expect(lines).toEqual([
      { level: "warn", message: "several services share a name: use their full names", fields: clash },
    ]);
    report([{ ...clash, jobs: [...clash.jobs, "wiki_web"] }]);
    expect(lines).toHaveLength(2);
    report([]);
    report([clash]);
    expect(lines).toHaveLength(3);
  });
});

describe("the reporter of shadowed targets", () => {
  it("reports the targets of a cycle in one line, when they begin and end to be shadowed", () => {
    const { cache, node } = setUp();
    const { logger, lines } = recordingLogger();
    const report = shadowReporter(logger);
    const reported = () => {
      lines.length = 0;
      report(findShadowed(cache));
      return lines.map(({ level, fields }) => [level, fields]);
    };
    const replicas = Array.from({ length: 7 }, (_, index) => `${index}`);
    for (const replica of replicas) node("n2").put({ id: `docker:${replica}`, replica, startedAt: 1000 });
    expect(reported()).toEqual([]);
    for (const replica of replicas)
      node("n3").put({ id: `docker:${replica}`, replica, startedAt: 1_000_000 });
    const examples = replicas.slice(0, 5).map((replica) => ({
      instance: `shop_web.${replica}`,
      shadowed: `docker:${replica} on n2`,
      served: `docker:${replica} on n3`,
    }));
    expect(reported()).toEqual([["warn", { targets: 7, examples }]]);
    expect(reported()).toEqual([]);
    node("n3").unlist("docker:0");
    expect(reported()).toEqual([["info", { targets: 1, instances: ["shop_web.0"] }]]);
    for (const replica of replicas) node("n3").unlist(`docker:${replica}`);
    const instances = ["shop_web.1", "shop_web.2", "shop_web.3", "shop_web.4", "shop_web.5"];
    expect(reported()).toEqual([["info", { targets: 6, instances }]]);
    expect(reported()).toEqual([]);
  });
});

it("metrics count shadowed targets, and describe only the target that is served", async () => {
  const { cache, node } = setUp();
  cache.ownFeed("node1");
  node("node1").put({ id: "docker:1", startedAt: 1000 });
  node("node1").put({ id: "docker:2", startedAt: 1_000_000 });
  const { metrics, ...telemetry } = createTelemetry("0.0.0");
  observe({
    telemetry: { metrics, ...telemetry },
    cache,
    targets: () => [
      statusOf({ lastDuration: 0.25 }, { id: "docker:2", job: "shop_web" }),
      statusOf({ lastDuration: 0.5 }, { id: "docker:1", job: "shop_web" }),
    ],
    desiredReplicas: () => new Map(),
    diskFailing: () => false,
    mergeConflicts: () => 0,
  });
  const lines = (await telemetry.expose()).text.split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      "app_metrics_proxy_shadowed_targets 1",
      'app_metrics_proxy_targets{state="up"} 1',
      'app_metrics_proxy_targets{state="shadowed"} 1',
      'app_metrics_proxy_target_last_scrape_duration_seconds{name="shop_web",replica="1"} 0.25',
    ]),
  );
});

describe("the reporter of clocks", () => {
  it("reports a clock that differs once, and its recovery once", () => {
    const { logger, lines } = recordingLogger();
    const report = clockReporter(logger);
    const reported = (offset: number) => {
      lines.length = 0;
      report(new Map([["n2", offset]]));
      return lines.map(({ level, fields }) => [level, fields]);
    };
    expect(reported(4.9)).toEqual([]);
    expect(reported(-7.26)).toEqual([["warn", { nodes: 1, secondsAhead: { n2: -7.3 } }]]);
    expect(reported(-8)).toEqual([]);
    // Near the limit it neither recovers nor is it reported again.
    expect(reported(-4.9)).toEqual([]);
    expect(reported(-5.1)).toEqual([]);
    expect(reported(-2.4)).toEqual([["info", { nodes: 1, names: ["n2"] }]]);
    expect(reported(6)).toHaveLength(1);
    // Another report when /federate starts to omit the node.
    expect(reported(600.1)).toEqual([["error", { nodes: 1, secondsAhead: { n2: 600.1 } }]]);
    expect(reported(7200)).toEqual([]);
    expect(reported(1)).toEqual([["info", { nodes: 1, names: ["n2"] }]]);
  });

  it("reports any number of nodes in one line, with a few names", () => {
    const { logger, lines } = recordingLogger();
    const report = clockReporter(logger);
    report(new Map(Array.from({ length: 2000 }, (_, index) => [`n${index}`, 60])));
    report(new Map());
    expect(lines.map(({ level }) => level)).toEqual(["warn", "info"]);
    expect(lines[0]!.fields).toEqual({
      nodes: 2000,
      secondsAhead: { n0: 60, n1: 60, n2: 60, n3: 60, n4: 60 },
    });
    expect(lines[1]!.fields).toEqual({ nodes: 2000, names: ["n0", "n1", "n2", "n3", "n4"] });
  });

  it("reports that a node with a wrong clock is gone", () => {
    const { logger, lines } = recordingLogger();
    const report = clockReporter(logger);
    report(new Map([["n2", 60]]));
    report(new Map());
    report(new Map());
    expect(lines.map(({ level }) => level)).toEqual(["warn", "info"]);
  });
});

it("name conflicts and clocks are those of the scrapes in the cache", () => {
  const { cache, node } = setUp();
  node("n2").put({ id: "docker:1", names: ["web", "shop_web"], job: "shop_web" });
  node("n3").put({ names: ["web", "blog_web"], job: "blog_web", scrapedAt: clock.now() - 3_600_000 });
  const { logger, lines } = recordingLogger();
  const report = createReporter(logger, cache);
  report();
  report();
  expect(lines.map(({ fields }) => fields)).toEqual([
    { name: "web", jobs: ["blog_web", "shop_web"] },
    { nodes: 1, secondsAhead: { n3: -3600 } },
  ]);
});

it("metrics state targets, scrapes, services and origins", async () => {
  const { cache, node } = setUp();
  const telemetry = createTelemetry("0.0.0");
  cache.ownFeed("node1");
  const n2 = node("n2");
  const { gzip } = n2.put();
  n2.put({ id: "docker:2", replica: "2", gzip });
  node("n3").put({ id: "docker:3", job: "db", names: ["db"], gzip });
  observe({
    telemetry,
    cache,
    targets: () => [
      statusOf({ lastSuccess: 1000, lastDuration: 0.25 }, { job: "db", replica: "1" }),
      statusOf({ state: "no metrics" }, { id: "test:2", job: "tool" }),
    ],
    desiredReplicas: () => new Map(),
    diskFailing: () => true,
    mergeConflicts: () => 3,
  });
  const { text } = await telemetry.expose();
  const metric = (series: string) => {
    const line = text.split("\n").find((candidate) => candidate.startsWith(`app_metrics_proxy_${series} `));
    return Number(line?.split(" ").at(-1));
  };
  expect({
    up: metric('targets{state="up"}'),
    down: metric('targets{state="down"}'),
    withoutMetrics: metric('targets{state="no metrics"}'),
    targetUp: metric('target_up{name="db",replica="1"}'),
    lastSuccess: metric('target_last_success_timestamp_seconds{name="db",replica="1"}'),
    lastDuration: metric('target_last_scrape_duration_seconds{name="db",replica="1"}'),
    scrapes: metric("cache_entries"),
    bytes: metric("cache_bytes"),
    diskFailing: metric("cache_disk_failing"),
    web: metric('service_replicas{name="shop_web"}'),
    db: metric('service_replicas{name="db"}'),
    nameClashes: metric("name_clashes"),
    mergeConflicts: metric("merge_conflicts"),
    own: metric('origin_entries{origin="node1"}'),
    n2: metric('origin_entries{origin="n2"}'),
  }).toEqual({
    up: 1,
    down: 0,
    withoutMetrics: 1,
    targetUp: 1,
    lastSuccess: 1,
    lastDuration: 0.25,
    scrapes: 3,
    bytes: 3 * gzip.length,
    diskFailing: 1,
    web: 2,
    db: 1,
    nameClashes: 0,
    mergeConflicts: 3,
    own: 0,
    n2: 2,
  });
});
