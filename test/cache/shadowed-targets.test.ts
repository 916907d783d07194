import { describe, expect, it } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { findShadowed, withShadowed } from "../../src/cache/shadowed-targets.js";
import { silentLogger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import { statusOf } from "../support/http-server.js";
import { manualClock } from "../support/manual-clock.js";
import { FeedWriter } from "../support/scrapes.js";

function setUp() {
  const clock = manualClock();
  const budget = new MemoryBudget(1024 * 1024);
  const cache = new Cache({ clock, budget, staleAfter: 30, history: 600, logger: silentLogger });
  cache.ownFeed("node1");
  const [n1, n2] = ["node1", "n2"].map((origin) => new FeedWriter(origin, { cache, clock, budget }));
  const ids = () => findShadowed(cache).map(({ shadowed, served }) => [shadowed.target.id, served.target.id]);
  return { clock, cache, n1: n1!, n2: n2!, ids };
}

const [early, late] = [1_000_000, 2_000_000];

describe("findShadowed", () => {
  it("finds targets on one node, and on different ones, with the target that is served", () => {
    const { n1, n2, ids } = setUp();
    n1.put({ id: "docker:a", startedAt: early });
    expect(ids()).toEqual([]);
    n1.put({ id: "docker:b", startedAt: late });
    expect(ids()).toEqual([["docker:a", "docker:b"]]);
    n2.put({ id: "docker:c", startedAt: early });
    expect(ids().sort()).toEqual([
      ["docker:a", "docker:b"],
      ["docker:c", "docker:b"],
    ]);
  });

  it("finds none of another service with the same short name, or of another replica", () => {
    const { n1, n2, ids } = setUp();
    n1.put({ id: "docker:a" });
    n1.put({ id: "docker:b", replica: "2" });
    n2.put({ id: "docker:c", job: "blog_web", names: ["web", "blog_web"] });
    expect(ids()).toEqual([]);
  });

  it("finds no target that is down, has ended or has no fresh scrape", () => {
    const { clock, n1, n2, ids } = setUp();
    n1.put({ id: "docker:a", startedAt: early });
    n2.put({ id: "docker:b", startedAt: late });
    n1.list({ id: "docker:a", state: "down" });
    expect(ids()).toEqual([]);
    n1.list({ id: "docker:a", state: "up" });
    expect(ids()).toEqual([["docker:a", "docker:b"]]);
    n2.list({ id: "docker:b", state: "gone" });
    expect(ids()).toEqual([]);
    n2.list({ id: "docker:b", state: "up" });
    clock.advance(31);
    n1.put({ id: "docker:a", startedAt: early });
    expect(ids()).toEqual([]);
  });

  it("finds a target whose name changes", () => {
    const { n1, n2, ids } = setUp();
    n1.put({ id: "docker:a", startedAt: early });
    n2.put({ id: "docker:b", startedAt: late, replica: "2" });
    n2.put({ id: "docker:b", startedAt: late, replica: "1" });
    expect(ids()).toEqual([["docker:a", "docker:b"]]);
    n2.unlist("docker:b");
    expect(ids()).toEqual([]);
  });
});

it("withShadowed changes the state of shadowed targets of this node", () => {
  const { cache, n1, n2 } = setUp();
  const statuses = [statusOf({}, { id: "docker:a" }), statusOf({}, { id: "docker:b", replica: "2" })];
  n1.put({ id: "docker:a", startedAt: early });
  n1.put({ id: "docker:b", replica: "2", startedAt: late });
  expect(withShadowed(statuses, cache)).toBe(statuses);
  n2.put({ id: "docker:a", startedAt: late });
  n2.put({ id: "docker:b", replica: "2", startedAt: early });
  expect(withShadowed(statuses, cache).map(({ state }) => state)).toEqual(["shadowed", "up"]);
});
