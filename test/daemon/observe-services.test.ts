import { expect, it } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { maxServices, observeServices } from "../../src/daemon/observe-services.js";
import { silentLogger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { TargetStatus } from "../../src/model/target-status.js";
import { Metrics } from "../../src/telemetry/metrics.js";
import { statusOf } from "../support/http-server.js";
import { manualClock } from "../support/manual-clock.js";
import { prometheusMissing } from "../support/prometheus.js";
import { promtoolFault } from "../support/promtool.js";
import { FeedWriter } from "../support/scrapes.js";

function setUp() {
  const clock = manualClock();
  const budget = new MemoryBudget(1024 * 1024);
  const cache = new Cache({ clock, budget, staleAfter: 30, history: 600, logger: silentLogger });
  cache.ownFeed("node1");
  const metrics = new Metrics();
  let statuses: TargetStatus[] = [];
  let desired = new Map<string, number>();
  observeServices({ metrics, cache, targets: () => statuses, desiredReplicas: () => desired });
  const text = async () => (await metrics.expose()).text;
  return {
    clock,
    put: new FeedWriter("node1", { cache, clock, budget }),
    set: (targets: TargetStatus[], replicas: Record<string, number> = {}) => {
      statuses = targets;
      desired = new Map(Object.entries(replicas));
    },
    text,
    /** The values of a service: desired, running, scraped and stale. */
    values: async (name: string) => {
      const lines = (await text()).split("\n");
      return ["desired", "running", "scraped", "stale"].map((kind) => {
        const series = `app_metrics_proxy_service_replicas_${kind}{name="${name}"} `;
        return lines.find((line) => line.startsWith(series))?.slice(series.length);
      });
    },
  };
}

it("counts the replicas of each service on this node by what is known of them", async () => {
  const { clock, put, set, values } = setUp();
  put.put({ id: "docker:old", replica: "1" });
  clock.advance(31);
  put.put({ id: "docker:new", replica: "2" });
  const web = { job: "shop_web" };
  set([
    statusOf({ state: "up" }, { ...web, id: "docker:new" }),
    statusOf({ state: "down" }, { ...web, id: "docker:old" }),
    statusOf({ state: "pending" }, { ...web, id: "docker:3" }),
    statusOf({ state: "no metrics" }, { ...web, id: "docker:4" }),
    statusOf({ state: "down" }, { job: "db", id: "docker:5" }),
  ]);
  expect(await values("shop_web")).toEqual([undefined, "4", "1", "1"]);
  expect(await values("db")).toEqual([undefined, "1", "0", "1"]);
});

it("has zero replicas of a service that runs on other nodes only, and none of a service that ended", async () => {
  const { set, values } = setUp();
  set([statusOf({}, { job: "shop_web", id: "docker:1" })], { shop_web: 3, db: 1 });
  expect(await values("shop_web")).toEqual(["3", "1", "1", "1"]);
  expect(await values("db")).toEqual(["1", "0", "0", "0"]);
  set([], { db: 1 });
  expect(await values("shop_web")).toEqual([undefined, undefined, undefined, undefined]);
});

it("has series for a limited number of services", async () => {
  const { set, text } = setUp();
  const names = Array.from({ length: maxServices + 1 }, (_, index) => `s${index}`);
  set(
    names.map((job) => statusOf({}, { job, id: `docker:${job}` })),
    Object.fromEntries(names.map((name) => [name, 1])),
  );
  const exposed = await text();
  for (const kind of ["desired", "running", "scraped", "stale"])
    expect(exposed.split(`\napp_metrics_proxy_service_replicas_${kind}{`)).toHaveLength(maxServices + 1);
});

it.skipIf(prometheusMissing() !== undefined)("passes promtool check metrics", async () => {
  const { set, text } = setUp();
  set([statusOf({}, { job: "shop_web" })], { shop_web: 3 });
  expect(await promtoolFault(await text())).toBeUndefined();
});
