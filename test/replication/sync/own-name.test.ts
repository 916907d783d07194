import { afterEach, describe, expect, it } from "vitest";
import { differences, history, type SimNode, Simulation } from "./simulation.js";

let simulation: Simulation;
afterEach(() => simulation.dispose());

function reportsSharedName(node: SimNode): boolean {
  return node.running.links.sharedNames().includes(node.name);
}

/** Two nodes named `twin`, linked only through others. */
function twins(instances: readonly [string, string], between: readonly string[], clockOffset = 0): void {
  simulation = new Simulation(11);
  simulation.add("t1", { name: "twin", instances: [instances[0]] }).target("web");
  const second = simulation.add("t2", { name: "twin", instances: [instances[1]] });
  second.target("db");
  second.wallOffset += clockOffset;
  let previous = "t1";
  for (const key of between) {
    simulation.add(key).target("web");
    simulation.want([previous, key]);
    previous = key;
  }
  simulation.want([previous, "t2"]);
}

describe("two nodes with one name", () => {
  const instances: [string, string][] = [
    ["1", "2"],
    ["2", "1"],
  ];
  for (const ids of instances) {
    for (const between of [["m"], ["m", "n"]]) {
      for (const offset of [0, -60_000, 60_000]) {
        it(`both report it and one stops: instances ${ids}, ${between.length} between, clock offset ${offset} ms`, async () => {
          twins(ids, between, offset);
          const [first, second] = [simulation.node("t1"), simulation.node("t2")];
          await simulation.advance(120_000);
          const survivor = ids[0] === "2" ? first : second;
          // From then on, at any moment.
          for (let round = 0; round < 12; round++) {
            await simulation.advance(10_000);
            expect({ round, first: reportsSharedName(first), second: reportsSharedName(second) }).toEqual({
              round,
              first: true,
              second: true,
            });
          }
          for (const key of between) {
            const served = simulation
              .node(key)
              .running.cache.fresh()
              .map(({ job }) => job);
            expect(served).toContain(survivor === first ? "web-t1" : "db-t2");
            expect(served).not.toContain(survivor === first ? "db-t2" : "web-t1");
          }
        });
      }
    }
  }

  it("the name is free again once the other node has gone", async () => {
    twins(["1", "2"], ["m"]);
    await simulation.advance(120_000);
    simulation.node("t2").kill();
    simulation.wanted.delete("m t2");
    await simulation.advance(90_000);
    const first = simulation.node("t1");
    expect(reportsSharedName(first)).toBe(false);
    expect(differences(simulation, first)).toEqual([]);
  });
});

describe("an origin restarted with a lost disk and a clock set back", () => {
  it.each([1, 2, 3, 4])("becomes visible again on every node: %i neighbours", async (count) => {
    simulation = new Simulation(3 + count);
    const origin = simulation.add("o");
    origin.target("web");
    const keys = ["a", "b", "c", "d"].slice(0, count);
    for (const key of keys) {
      simulation.add(key);
      simulation.want(["o", key]);
    }
    // Each neighbour holds the origin's numbers up to another one.
    for (const key of keys) {
      await simulation.advance(20_000);
      simulation.unwant("o", key);
    }
    origin.kill();
    origin.disk = [];
    origin.wallOffset -= history * 1000;
    origin.start();
    for (const key of keys) simulation.want(["o", key]);
    await simulation.advance(30_000);
    expect(origin.running.errors).toEqual([]);
    expect(reportsSharedName(origin)).toBe(false);
    expect(differences(simulation, origin)).toEqual([]);
    for (const key of keys) expect(simulation.node(key).running.cache.named("web-o")).toHaveLength(1);
  });

  it("becomes visible although its numbers have passed those of its neighbour", async () => {
    simulation = new Simulation(3);
    const origin = simulation.add("o");
    origin.target("web");
    simulation.add("a");
    simulation.want(["o", "a"]);
    await simulation.advance(60_000);
    simulation.unwant("o", "a");
    origin.kill();
    origin.disk = [];
    origin.end("web");
    origin.target("db");
    origin.wallOffset -= 40_000;
    origin.start();
    await simulation.advance(70_000);
    simulation.want(["o", "a"]);
    await simulation.advance(30_000);
    expect(differences(simulation, origin)).toEqual([]);
    const served = simulation
      .node("a")
      .running.cache.fresh()
      .map(({ job }) => job);
    expect(served).toEqual(["db-o"]);
  });
});

describe("an origin that restarts before its earlier links are closed", () => {
  it.each([
    ["1", "2"],
    ["2", "1"],
  ])("is not mistaken for two nodes with one name: instances %s, %s", async (...instances) => {
    simulation = new Simulation(7);
    const origin = simulation.add("o", { instances });
    const peer = simulation.add("p");
    const [dead] = [simulation.dial(origin, peer)];
    await simulation.advance(30_000);
    // As after a power loss: the peer notices nothing for ten seconds.
    dead.stalled = true;
    origin.process = undefined;
    await simulation.advance(3000);
    origin.start();
    origin.target("web");
    simulation.dial(origin, peer);
    for (let second = 0; second < 60; second++) {
      await simulation.advance(1000);
      expect({ second, errors: origin.running.errors, shared: peer.running.links.sharedNames() }).toEqual({
        second,
        errors: [],
        shared: [],
      });
    }
    expect(differences(simulation, origin)).toEqual([]);
  });
});
