import { afterEach, describe, expect, it } from "vitest";
import { hello } from "./hello.js";
import { differences, history, type RawPeer, Simulation } from "./simulation.js";

let simulation: Simulation;
afterEach(() => simulation.dispose());

function start(...keys: readonly string[]): void {
  simulation = new Simulation(5);
  for (const key of keys) simulation.add(key).target("web");
}

describe("an origin that was silent for twice HISTORY", () => {
  it("is forgotten everywhere and not accepted again from nodes that still have its data", async () => {
    start("a", "b", "c", "d");
    simulation.want(["a", "b"], ["b", "c"], ["c", "d"], ["b", "d"]);
    await simulation.advance(30_000);
    simulation.node("a").kill();
    simulation.wanted.delete("a b");
    // Nodes pass on what they have while links come and go.
    for (let round = 0; round < 2 * history; round += 5) {
      simulation.unwant("c", round % 10 === 0 ? "d" : "b");
      await simulation.advance(5000);
      simulation.want(["c", "d"], ["b", "c"]);
    }
    await simulation.advance(15_000);
    for (const key of ["b", "c", "d"]) expect(simulation.node(key).running.cache.feed("a")).toBeUndefined();
    simulation.unwant("c", "d");
    await simulation.advance(30_000);
    simulation.want(["c", "d"]);
    for (let round = 0; round < 10; round++) {
      await simulation.advance(10_000);
      for (const key of ["b", "c", "d"]) expect(simulation.node(key).running.cache.feed("a")).toBeUndefined();
    }
  });

  it("is served again by everyone once it publishes, although its targets did not change", async () => {
    start("a", "b", "c");
    simulation.want(["a", "b"], ["b", "c"]);
    await simulation.advance(30_000);
    simulation.unwant("a", "b");
    await simulation.advance((2 * history + 30) * 1000);
    expect(simulation.node("c").running.cache.feed("a")).toBeUndefined();
    simulation.want(["a", "b"]);
    await simulation.advance(30_000);
    expect(differences(simulation, simulation.node("a"))).toEqual([]);
    expect(simulation.node("c").running.cache.named("web-a")).toHaveLength(1);
  });

  it("is served again on a direct link that stayed open", async () => {
    start("a", "b");
    simulation.want(["a", "b"]);
    await simulation.advance(30_000);
    simulation.node("a").scanning = false;
    await simulation.advance((2 * history + 30) * 1000);
    expect(simulation.node("b").running.cache.feed("a")).toBeUndefined();
    simulation.node("a").scanning = true;
    await simulation.advance(30_000);
    expect(differences(simulation, simulation.node("a"))).toEqual([]);
  });
});

describe("a node that joins", () => {
  it("keeps documents that are older than twice HISTORY, regardless of the time until the next batch", async () => {
    start("a", "b");
    await simulation.advance((2 * history + 60) * 1000);
    simulation.want(["a", "b"]);
    for (let time = 0; time < 10; time++) await simulation.advance(500);
    simulation.unwant("a", "b");
    await simulation.advance((2 * history + 60) * 1000);
    // One item at a time, so that ticks come between them.
    simulation.want(["a", "b"]);
    for (let round = 0; round < 20; round++) {
      simulation.now += 500;
      for (const connection of simulation.connections) connection.stalled = true;
      await simulation.advance(500);
      for (const connection of simulation.connections) connection.stalled = false;
      await simulation.deliver(1);
    }
    await simulation.advance(20_000);
    expect(differences(simulation, simulation.node("a"))).toEqual([]);
    expect(differences(simulation, simulation.node("b"))).toEqual([]);
  });
});

describe("a relay that claims what has expired", () => {
  it("does not keep a node from another one that has more", async () => {
    start("a", "b", "c", "d");
    simulation.want(["a", "b"], ["a", "d"], ["b", "c"]);
    await simulation.advance(20_000);
    simulation.unwant("b", "c");
    await simulation.advance(30_000);
    simulation.unwant("a", "b");
    await simulation.advance((history + 20) * 1000);
    simulation.want(["b", "c"]);
    await simulation.advance(6000);
    simulation.want(["c", "d"]);
    await simulation.advance(25_000);
    expect(differences(simulation, simulation.node("a")).filter((text) => text.startsWith("c"))).toEqual([]);
  });
});

describe("in steady state", () => {
  it("each origin stays on its direct link", async () => {
    start("a", "b", "c");
    simulation.want(["a", "b"], ["b", "c"], ["a", "c"]);
    await simulation.advance(30_000);
    const follows: string[] = [];
    simulation.onSent = (from, to, { message }) => {
      if (message?.kind === "follow") follows.push(`${from.key} follows ${message.origin} on ${to.key}`);
    };
    await simulation.advance(120_000);
    expect(follows).toEqual([]);
  });
});

describe("REPLICATE_TO=managers", () => {
  it("sends a worker only swarm documents and publications of its own name, until it is promoted", async () => {
    simulation = new Simulation(9);
    for (const [key, manager] of [
      ["m", true],
      ["n", true],
      ["w", false],
    ] as const) {
      const node = simulation.add(key, { manager, replicateTo: "managers" });
      node.target("web");
      if (manager) node.services = 1;
    }
    simulation.want(["m", "n"], ["m", "w"], ["n", "w"]);
    await simulation.advance(30_000);
    const worker = simulation.node("w");
    expect(worker.running.cache.swarm?.services).toHaveLength(1);
    expect(worker.running.cache.fresh().map(({ origin }) => origin)).toEqual(["w"]);
    for (const key of ["m", "n"]) expect(simulation.node(key).running.cache.fresh()).toHaveLength(3);
    worker.manager = true;
    await simulation.advance(30_000);
    expect(worker.running.cache.fresh()).toHaveLength(3);
    for (const node of simulation.nodes.values()) expect(differences(simulation, node)).toEqual([]);
  });
});

describe("a slow relay", () => {
  it("is followed again if the origin refuses", async () => {
    simulation = new Simulation(3);
    const node = simulation.add("n");
    const [origin, relay] = [simulation.raw(node), simulation.raw(node)];
    await origin.channels.send(hello("o"));
    await relay.channels.send(hello("r"));
    await simulation.deliver();
    const follows = (peer: RawPeer) =>
      peer.received.filter(({ message }) => message.kind === "follow" && message.origin === "o").length;
    /** The origin has more than the relay, and the relay more than this node. */
    const refuse = async () => {
      const before = follows(origin);
      for (let second = 0; second < 90 && follows(origin) === before; second += 5) {
        await relay.channels.send({ kind: "have", origins: [["o", 10, 0]] });
        await origin.channels.send({ kind: "have", origins: [["o", 20, 0]] });
        await simulation.advance(5000);
      }
      expect(follows(origin)).toBe(before + 1);
      await origin.channels.send({ kind: "refuse", origin: "o" });
      await simulation.deliver();
    };
    await origin.channels.send({ kind: "refuse", origin: "o" });
    await relay.channels.send({ kind: "have", origins: [["o", 10, 0]] });
    await simulation.deliver();
    expect([follows(origin), follows(relay)]).toEqual([1, 1]);
    await refuse();
    expect([follows(origin), follows(relay)]).toEqual([2, 2]);
  });
});
