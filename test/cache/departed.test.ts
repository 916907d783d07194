import { describe, expect, it } from "vitest";
import { Departed } from "../../src/cache/departed.js";
import { testNode } from "../replication/nodes.js";
import { entryFor, manualClock } from "../support/entries.js";

describe("what became stale", () => {
  it("is remembered for an hour, the latest ten thousand of it", () => {
    const clock = manualClock();
    const departed = new Departed(clock);
    const entry = entryFor(clock, { origin: "n2", names: ["many"] });
    for (let replica = 0; replica < 10_001; replica++) departed.note({ ...entry, replica: `${replica}` });
    const replicas = departed.named("many").map(({ replica }) => replica);
    expect(replicas).toHaveLength(10_000);
    expect(replicas).toContain("10000");
    expect(replicas).not.toContain("0");
    clock.advance(3600);
    expect(departed.named("many")).toEqual([]);
  });

  it("is forgotten where it came to this node and was removed here", () => {
    const { cache, clock, put } = testNode("node1");
    cache.holdings.take(entryFor(clock, { origin: "node2", id: "there", epoch: 1, sequence: 1 }));
    clock.advance(31);
    cache.dropStale();
    expect(cache.lastKnown("web")).toMatchObject([{ origin: "node2" }]);
    put("here", "up 1\n", { replica: "1" });
    cache.remove("here");
    expect(cache.lastKnown("web")).toEqual([]);
  });
});
