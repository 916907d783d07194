import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type Clock, systemClock } from "../../src/model/clock.js";
import { fastClock, numbersOf, served, soon, startProxy, type TestProxy } from "./proxies.js";
import { startWire } from "./wire.js";

const partitionSeconds = Number(process.env["PARTITION_SECONDS"] ?? 3);
const timeout = partitionSeconds * 1000 + 60_000;

/** Two proxies that dial each other, and the networks in between. */
async function startPair(clock: Clock, history: number) {
  const options = { clock, history, interval: 5 };
  const [a, b] = [await startProxy("a", options), await startProxy("b", options)];
  const wires = [await startWire(a), await startWire(b)];
  await Promise.all([a.connectTo(wires[1]!), b.connectTo(wires[0]!)]);
  a.put("before", "x 1\n");
  await expect.poll(() => served(b), soon).toEqual({ before: "x 1\n" });
  return { a, b, wires };
}

/** Has two proxies scrape during a partition. @returns the numbers of these scrapes. */
async function partition(clock: Clock) {
  const { a, b, wires } = await startPair(clock, 3600);
  for (const wire of wires) wire.swallow();
  const made: { readonly proxy: TestProxy; readonly number: number }[] = [];
  for (let end = performance.now() + partitionSeconds * 1000; performance.now() < end; await sleep(50)) {
    for (const proxy of [a, b]) {
      const replica = `${made.length % 7}`;
      made.push({ proxy, number: proxy.put(replica, `x ${made.length}\n`) });
    }
  }
  expect(numbersOf(b, "a").length).toBeLessThan(2);
  for (const wire of wires) wire.heal();
  return { a, b, made };
}

describe("after a partition", () => {
  it.each([
    ["five times as fast as usual, so that links time out", fastClock],
    ["at the usual speed", systemClock],
  ])(
    "each of two nodes has every scrape that the other one made (clocks %s)",
    { timeout },
    async (_, clock) => {
      const { a, b, made } = await partition(clock);
      expect(made.length).toBeGreaterThan(10 * partitionSeconds);
      const missing = () =>
        made.filter(({ proxy, number }) => !numbersOf(proxy === a ? b : a, proxy.origin).includes(number));
      await expect.poll(missing, { timeout: 30_000, interval: 50 }).toEqual([]);
    },
  );

  it("scrapes older than HISTORY are no longer sent", async () => {
    let passed = 0;
    const clock: Clock = { now: () => Date.now() + passed, monotonic: () => performance.now() + passed };
    const { a, b, wires } = await startPair(clock, 100);
    for (const wire of wires) wire.swallow();
    const old = [a, b].map((proxy) => proxy.put("1", "old 1\n"));
    for (const { publisher } of [a, b]) publisher.endCycle();
    passed += 60_000;
    const young = [a, b].map((proxy) => proxy.put("1", "young 1\n"));
    for (const { publisher } of [a, b]) publisher.endCycle();
    passed += 60_000;
    for (const wire of wires) wire.heal();
    await expect.poll(() => numbersOf(a, "b"), soon).toContain(young[1]);
    await expect.poll(() => numbersOf(b, "a"), soon).toContain(young[0]);
    expect([...numbersOf(a, "b"), ...numbersOf(b, "a")].filter((number) => old.includes(number))).toEqual([]);
  });
});
