import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { manualClock } from "../support/entries.js";
import { contentOf, exchange, give, type TestNode, testNode } from "./nodes.js";

const names = ["a", "b", "c"];
const nodeIndex = fc.nat(2);
const id = fc.constantFrom("1", "2", "3", "4");

type Step =
  | { kind: "put"; node: number; id: string; text: string }
  | { kind: "remove"; node: number; id: string }
  | { kind: "confirm"; node: number }
  | { kind: "wait" }
  | { kind: "age"; alive: readonly string[] }
  | { kind: "restart"; node: number; clockBack: boolean }
  | { kind: "sync"; from: number; to: number; cut: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      node: nodeIndex,
      id,
      text: fc.constantFrom("x 1\n", "x 2\n"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), node: nodeIndex, id }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("confirm" as const), node: nodeIndex }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("age" as const), alive: fc.uniqueArray(id, { maxLength: 4 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("restart" as const), node: nodeIndex, clockBack: fc.boolean() }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("sync" as const),
      from: nodeIndex,
      to: nodeIndex,
      cut: fc.oneof(fc.nat(3), fc.constant(1000)),
    }),
  },
);

function start() {
  const clock = manualClock();
  return { clock, nodes: names.map((name) => testNode(name, clock)) };
}

function run(nodes: TestNode[], clock: ReturnType<typeof manualClock>, steps: readonly Step[]): void {
  for (const [index, one] of steps.entries()) {
    if (one.kind === "wait") clock.advance(0.5);
    else if (one.kind === "age") age(nodes, clock, one.alive);
    else if (one.kind === "sync") {
      if (one.from !== one.to) exchange(nodes[one.from]!, nodes[one.to]!, one.cut);
    } else if (one.kind === "put") nodes[one.node]!.put(one.id, one.text);
    else if (one.kind === "remove") nodes[one.node]!.cache.remove(one.id);
    else if (one.kind === "confirm") nodes[one.node]!.cache.holdings.confirm();
    // With a wiped disk; a clock that was set back gives an epoch below the one before, and no two are the same.
    else nodes[one.node] = testNode(names[one.node]!, clock, one.clockBack ? 1 + index : clock.now() + index);
  }
}

/** What is scraped again meanwhile says the same; all else comes nearer to being stale. */
function age(
  nodes: readonly TestNode[],
  clock: ReturnType<typeof manualClock>,
  alive: readonly string[],
): void {
  clock.advance(20);
  for (const { cache } of nodes) {
    for (const entry of cache.own()) {
      if (alive.includes(entry.id))
        cache.put({ ...entry, scrapedAt: clock.now(), measuredAt: clock.monotonic() });
    }
    cache.holdings.confirm();
    cache.dropStale();
  }
}

/** Each pair once or twice, in whatever order. */
function syncAll(nodes: TestNode[], order: readonly (readonly [number, number])[]): void {
  for (let round = 0; round < 3; round++) for (const [a, b] of order) exchange(nodes[a]!, nodes[b]!);
}

describe("three nodes that exchange what they have, pair by pair, in any order", () => {
  const pairs = fc.shuffledSubarray(
    [
      [0, 1],
      [1, 2],
      [2, 0],
      [1, 0],
    ] as [number, number][],
    { minLength: 4 },
  );

  it("all come to hold what each origin has at last, bytes and times; removals win; whatever broke off before", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), pairs, (steps, order) => {
        const { clock, nodes } = start();
        run(nodes, clock, steps);
        // A change of each, so that every origin has something newer than what broke off.
        for (const node of nodes) node.put("last", `last ${clock.now()}\n`);
        syncAll(nodes, order);
        for (const origin of nodes) {
          const expected = contentOf(origin, origin.origin);
          for (const node of nodes) expect(contentOf(node, origin.origin)).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("come to hold what an origin has renewed though it was stale where it came from first", () => {
    const { clock, nodes } = start();
    const [origin, relay, late] = nodes as [TestNode, TestNode, TestNode];
    origin.put("1", "x 1\n");
    origin.put("2", "x 1\n");
    exchange(origin, relay);
    clock.advance(29);
    origin.put("1", "x 1\n");
    origin.cache.holdings.confirm();
    clock.advance(2);
    exchange(relay, late);
    expect(contentOf(late, "a")).toEqual({});
    exchange(origin, late);
    expect(Object.keys(contentOf(late, "a"))).toContain("1");
  });

  it("come to hold what an origin renews though it became stale while more of that origin was still to come", () => {
    const { clock, nodes } = start();
    const [origin, , late] = nodes as [TestNode, TestNode, TestNode];
    origin.put("1", "x 1\n");
    clock.advance(29);
    origin.put("2", "x 1\n");
    // The origin scrapes it again just in time; elsewhere it is too old before that is told.
    origin.put("1", "x 1\n");
    give(origin, late, "a", Infinity, () => {
      clock.advance(1.5);
      late.cache.dropStale();
    });
    origin.cache.holdings.confirm();
    exchange(origin, late);
    expect(contentOf(late, "a")).toEqual(contentOf(origin, "a"));
  });

  it("has nothing more to say once all know the same", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), pairs, (steps, order) => {
        const { clock, nodes } = start();
        run(nodes, clock, steps);
        syncAll(nodes, order);
        for (const [a, b] of order) expect(exchange(nodes[a]!, nodes[b]!)).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
