import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { startProxy, type TestProxy } from "./proxies.js";
import { startWire } from "./wire.js";

/** Numbers from 0 up to `below`, the same for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** What is held, and what the proxies themselves have put: places in the history, times and bytes. */
const held = ({ cache }: TestProxy) => cache.all().map(told).sort();
const put = ({ cache }: TestProxy) => cache.own().map(told);
const told = ({ origin, id, epoch, sequence, scrapedAt, gzip }: ReturnType<TestProxy["cache"]["all"]>[0]) =>
  [origin, id, epoch, sequence, scrapedAt, gzip.toString("base64")].join(" ");

function scrapeAgain({ cache }: TestProxy): void {
  const now = { scrapedAt: Date.now(), measuredAt: performance.now() };
  for (const entry of cache.own()) cache.put({ ...entry, ...now, gzip: Buffer.from(entry.gzip) });
}

async function startThree() {
  const options = { interval: 0.05, limits: { idleMs: 500 } };
  const proxies = await Promise.all(["a", "b", "c"].map((name) => startProxy(name, options)));
  const wires = await Promise.all(proxies.map((proxy) => startWire(proxy)));
  const all = () => {
    for (const proxy of proxies) proxy.talkTo(...wires.filter((_, index) => proxies[index] !== proxy));
  };
  all();
  return { proxies, wires, all };
}

describe("three proxies that talk to each other, over a network that breaks at random", () => {
  it.each([1, 2, 3, 4, 5, 6])("hold the same once it is well again (seed %i)", async (seed) => {
    const random = randomFrom(seed);
    const { proxies, wires, all } = await startThree();
    const cycles: Promise<void>[] = [];
    const steps: ((proxy: TestProxy, wire: (typeof wires)[0]) => unknown)[] = [
      (proxy) => proxy.put(`${random(5)}`, `x ${random(1000)}\n`),
      (proxy) => {
        for (let id = 0; id < 100; id++) proxy.put(`${id}`, `x ${random(1000)}\n`);
      },
      (proxy) => proxy.cache.remove(`${random(10)}`),
      scrapeAgain,
      // Two at the same moment, of one or of both ends.
      ({ replicator }) => cycles.push(replicator.cycle(), replicator.cycle()),
      () => cycles.push(...proxies.map(({ replicator }) => replicator.cycle())),
      (_, wire) => wire.resetAfter(random(10_000)),
      (_, wire) => wire.swallow(),
      (_, wire) => wire.heal(),
      (proxy, wire) => proxy.talkTo(wire),
      all,
      () => sleep(random(30)),
    ];
    for (let step = 0; step < 150; step++) {
      await steps[random(steps.length)]!(proxies[random(3)]!, wires[random(3)]!);
    }
    for (const wire of wires) wire.heal();
    all();
    await Promise.all(cycles);
    const inStep = async () => {
      proxies.forEach(scrapeAgain);
      for (let round = 0; round < 2; round++) {
        await Promise.all(proxies.map(({ replicator }) => replicator.cycle()));
      }
      const expected = proxies.flatMap(put).sort().join("\n");
      return proxies.map((proxy) => held(proxy).join("\n") === expected);
    };
    await expect.poll(inStep, { timeout: 15_000, interval: 200 }).toEqual([true, true, true]);
    // One of each other at the most: who was just called need not call.
    const tooMany = () => proxies.filter(({ server }) => server.connections > 2).length;
    await expect.poll(tooMany, { timeout: 5000 }).toBe(0);
    const reasons = new Set(proxies.flatMap(({ failures }) => failures));
    expect([...reasons].filter((reason) => !["connect", "timeout", "closed"].includes(reason))).toEqual([]);
  });
});
