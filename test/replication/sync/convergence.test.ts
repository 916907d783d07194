import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { differences, memoryOfNode, type SimNode, Simulation, wronglyServed } from "./simulation.js";

/** More runs, such as REPLICATION_RUNS=5000, take as much longer. */
const runs = Number(process.env["REPLICATION_RUNS"] ?? 12);
const seed = process.env["REPLICATION_SEED"];

const keys = ["a", "b", "c", "d"];
type Action =
  | "change"
  | "fail"
  | "end"
  | "cycle"
  | "evict"
  | "restart"
  | "loseDisk"
  | "stop"
  | "clockBack"
  | "clockAhead"
  | "connect"
  | "disconnect"
  | "stall"
  | "swarm"
  | "wait"
  | "waitLong";

interface Step {
  readonly action: Action;
  readonly node: number;
  readonly other: number;
  readonly target: number;
  readonly ms: number;
}

/** Without lost disks and changed clocks, everything converges sooner. */
const calm: readonly [number, Action][] = [
  [6, "change"],
  [1, "fail"],
  [2, "end"],
  [2, "cycle"],
  [1, "restart"],
  [6, "connect"],
  [3, "disconnect"],
  [1, "stall"],
  [1, "swarm"],
  [8, "wait"],
];
const wild: readonly [number, Action][] = [
  ...calm,
  [1, "evict"],
  [2, "loseDisk"],
  [1, "stop"],
  [2, "clockBack"],
  [1, "clockAhead"],
  [1, "waitLong"],
];

function steps(actions: readonly [number, Action][]): fc.Arbitrary<Step[]> {
  return fc.array(
    fc.record({
      action: fc.oneof(...actions.map(([weight, action]) => ({ weight, arbitrary: fc.constant(action) }))),
      node: fc.nat(3),
      other: fc.nat(3),
      target: fc.nat(3),
      ms: fc.integer({ min: 1, max: 20 }).map((count) => count * 500),
    }),
    { minLength: 5, maxLength: 40 },
  );
}

const histories = (actions: readonly [number, Action][]) =>
  fc.record({
    seed: fc.integer({ min: 1, max: 2 ** 31 }),
    count: fc.integer({ min: 3, max: 4 }),
    steps: steps(actions),
  });

async function apply(
  simulation: Simulation,
  { action, node: index, other, target, ms }: Step,
): Promise<void> {
  const nodes = [...simulation.nodes.values()];
  const node = nodes[index % nodes.length]!;
  const peer = nodes[other % nodes.length]!;
  const id = `t${target}`;
  if (action === "wait") return simulation.advance(ms, false);
  if (action === "waitLong") return simulation.advance(ms * 30);
  if (action === "connect" && node !== peer) return simulation.want([node.key, peer.key]);
  if (action === "disconnect" && node !== peer) return simulation.unwant(node.key, peer.key);
  if (action === "stall") {
    const connection = simulation.connections[target % Math.max(1, simulation.connections.length)];
    if (connection !== undefined) connection.stalled = !connection.stalled;
    return;
  }
  if (action === "clockBack") node.wallOffset -= ms * 100;
  if (action === "clockAhead") node.wallOffset += ms * 10;
  if (action === "swarm") node.services++;
  if (action === "loseDisk" || action === "restart") {
    if (node.process !== undefined) node.kill();
    if (action === "loseDisk") node.disk = [];
    node.start();
    return;
  }
  if (node.process === undefined) return;
  if (action === "stop") return node.kill();
  if (action === "cycle") return node.cycle();
  if (action === "end") return node.end(id);
  if (action === "evict") return evict(simulation, node);
  if (action === "change") node.change(id);
  if (action === "fail") node.target(id).failing = !node.target(id).failing;
  node.attempt(id);
}

function evict(simulation: Simulation, node: SimNode): void {
  const { cache, budget } = node.running;
  const before = new Map([...cache.feeds()].map((feed) => [feed, new Set(feed.scrapes.numbers)]));
  budget.give(cache.evict(1));
  for (const [feed, numbers] of before)
    for (const number of numbers)
      if (feed.scrapes.gzipOf(number) === undefined) simulation.evicted.add(`${feed.origin} ${number}`);
}

/** Links all nodes, in any connected topology, and lets everything arrive. */
async function heal(simulation: Simulation, seconds: number): Promise<void> {
  const nodes = [...simulation.nodes.values()];
  for (const connection of simulation.connections) connection.stalled = false;
  simulation.wanted.clear();
  nodes.forEach((node, index) => {
    if (node.process === undefined) node.start();
    if (index > 0) simulation.want([node.key, nodes[Math.floor(simulation.random() * index)]!.key]);
    if (simulation.random() < 0.3) simulation.want([node.key, nodes[0]!.key]);
  });
  simulation.wanted.delete("a a");
  for (const {
    nodes: [a, b],
  } of [...simulation.connections])
    if (!simulation.wanted.has([a.key, b.key].toSorted().join(" "))) simulation.unwant(a.key, b.key);
  await simulation.advance(seconds * 1000);
}

function allDifferences(simulation: Simulation): string[] {
  return [...simulation.nodes.values()].flatMap((node) => differences(simulation, node));
}

function expectMemory(simulation: Simulation): void {
  for (const node of simulation.nodes.values()) {
    const { used, held } = memoryOfNode(node);
    expect(`${node.key} ${used}`).toBe(`${node.key} ${held}`);
  }
}

async function run(
  { seed, count, steps }: { seed: number; count: number; steps: readonly Step[] },
  seconds: number,
): Promise<void> {
  const simulation = new Simulation(seed);
  try {
    for (const key of keys.slice(0, count)) simulation.add(key).target("t0");
    for (const step of steps) {
      await apply(simulation, step);
      expect(wronglyServed(simulation)).toEqual([]);
    }
    await heal(simulation, seconds);
    expect(allDifferences(simulation)).toEqual([]);
    expect(wronglyServed(simulation)).toEqual([]);
    expectMemory(simulation);
    await expectSteadyState(simulation);
    expectMemory(simulation);
    expect(simulation.failures).toEqual([]);
    expect(
      simulation.linkErrors.filter((error) => /protocol|limit|failed|invalid|not requested/.test(error)),
    ).toEqual([]);
    expect(
      [...simulation.nodes.values()].flatMap(({ process }) => process?.links.sharedNames() ?? []),
    ).toEqual([]);
  } finally {
    simulation.dispose();
  }
}

/** Once nothing is left to catch up with, each node fetches each scrape once, and an unchanged cycle sends none. */
async function expectSteadyState(simulation: Simulation): Promise<void> {
  simulation.fetched.length = 0;
  for (const node of simulation.nodes.values())
    for (const { failing, id } of node.targets.values()) if (!failing) node.change(id.slice("test:".length));
  await simulation.advance(11_000);
  expect(simulation.fetched.toSorted()).toEqual([...new Set(simulation.fetched)].sort());
  simulation.fetched.length = 0;
  await simulation.advance(11_000);
  expect(simulation.fetched).toEqual([]);
  expect(allDifferences(simulation)).toEqual([]);
}

const parameters = { numRuns: runs, ...(seed === undefined ? {} : { seed: Number(seed) }) };

describe("random histories", () => {
  it("converge within a minute after partitions, restarts and stalled links", async () => {
    await fc.assert(
      fc.asyncProperty(histories(calm), (history) => run(history, 60)),
      parameters,
    );
  }, 3_600_000);

  it("converge after lost disks, evictions and changed clocks", async () => {
    await fc.assert(
      fc.asyncProperty(histories(wild), (history) => run(history, 150)),
      parameters,
    );
  }, 3_600_000);
});
