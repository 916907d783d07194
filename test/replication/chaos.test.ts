import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { scrapesNamedBy } from "../../src/model/publication.js";
import { contentOf, numbersOf, startProxy, type TestProxy } from "./proxies.js";
import { startWire, type Wire } from "./wire.js";

/** How many random seeds to run, and the first one. */
const seeds = Number(process.env["CHAOS_SEEDS"] ?? 4);
const firstSeed = Number(process.env["CHAOS_FIRST_SEED"] ?? 1);
const steps = 150;
const temporary = ["connect", "timeout", "closed"];

/** Numbers from 0 up to `below`, the same for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

async function startThree() {
  const names = ["a", "b", "c"];
  const proxies = await Promise.all(names.map((name) => startProxy(name, { interval: 1 })));
  const wires = await Promise.all(proxies.map((proxy) => startWire(proxy)));
  const dialAll = (index: number) =>
    proxies[index]!.connectTo(...wires.filter((_, other) => other !== index));
  await Promise.all([0, 1, 2].map(dialAll));
  return { proxies, wires, dialAll };
}

describe("three proxies on a network with random failures", () => {
  it.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))(
    "hold the same once it works again (seed %i)",
    async (seed) => {
      const random = randomFrom(seed);
      const { proxies, wires, dialAll } = await startThree();
      const actions: ((proxy: TestProxy, wire: Wire) => unknown)[] = [
        (proxy) => proxy.put(`${random(5)}`, `x ${random(1000)}\n`),
        (proxy) => {
          for (let id = 0; id < 100; id++) proxy.put(`${id}`, `x ${random(1000)}\n`);
        },
        (proxy) => proxy.fail(`${random(5)}`, "connection refused"),
        (proxy) => proxy.end(`${random(10)}`),
        ({ publisher }) => publisher.endCycle(),
        (_, wire) => wire.resetAfter(random(10_000)),
        (_, wire) => wire.swallow(),
        (_, wire) => wire.heal(),
        (proxy, wire) => proxy.connectTo(wire),
        () => dialAll(random(3)),
        () => sleep(random(30)),
        () => sleep(random(100)),
      ];
      for (let step = 0; step < steps; step++) {
        await actions[random(actions.length)]!(proxies[random(3)]!, wires[random(3)]!);
      }
      for (const wire of wires) wire.heal();
      await Promise.all([0, 1, 2].map(dialAll));
      const own = proxies.map((proxy) => proxy.put("last", `last ${seed}\n`));
      const differences = () => {
        const contents = new Set(proxies.map(contentOf));
        return contents.size === 1 ? [] : proxies.map(summaryOf);
      };
      await expect.poll(differences, { timeout: 20_000, interval: 100 }).toEqual([]);
      for (const [index, { origin }] of proxies.entries()) {
        for (const proxy of proxies) expect(numbersOf(proxy, origin)).toContain(own[index]);
      }
      const failures = proxies.flatMap((proxy) => proxy.failures);
      expect(failures.filter((reason) => !temporary.includes(reason))).toEqual([]);
    },
  );
});

/** What a proxy holds, short enough for a message of a failed test. */
function summaryOf({ origin, cache, replication }: TestProxy): string {
  const feeds = [...cache.feeds()].map((feed) => {
    const numbers = new Set(feed.scrapes.numbers);
    const publications = feed.publicationsAbove(0);
    const missing = publications.flatMap(({ publication }) =>
      publication.kind === "batch"
        ? scrapesNamedBy(publication).filter((scrape) => !numbers.has(scrape))
        : [],
    );
    return (
      `${feed.origin} up to ${feed.held}, ${publications.length} publications, ${numbers.size} scrapes, ` +
      `${missing.length} missing: ${missing.slice(0, 3)}`
    );
  });
  const peers = replication.status().peers.map(({ title, state }) => `${title} ${state}`);
  return `${origin} holds ${feeds.sort().join("; ")}; peers: ${peers}`;
}
