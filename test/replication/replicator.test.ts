import { describe, expect, it } from "vitest";
import { type Logger, silentLogger } from "../../src/logging.js";
import { type Clock, systemClock } from "../../src/model/clock.js";
import { clockOffsetOf } from "../../src/model/scrape.js";
import type { PeerList } from "../../src/replication/peers/peer-source.js";
import {
  connectionsTo,
  fastClock,
  holdTheSame,
  knownPeer,
  numbersOf,
  served,
  soon,
  startProxy,
  type TestProxy,
} from "./proxies.js";

const scrapeOf = ({ cache }: TestProxy, replica: string) =>
  cache.all().find((scrape) => scrape.replica === replica);
const stateOf = ({ replication }: TestProxy) => replication.status().peers.map(({ state }) => state);
const expectServed = (proxy: TestProxy) => expect.poll(() => served(proxy), soon);

describe("two proxies with the same secret", () => {
  it("have each other's scrapes, bytes and times, regardless of which one dials", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    a.put("1", "from_a 1\n");
    b.put("2", "from_b 2\n");
    await a.connectTo(b);
    const both = { "1": "from_a 1\n", "2": "from_b 2\n" };
    await expectServed(a).toEqual(both);
    await expectServed(b).toEqual(both);
    expect(a.replication.status().peers).toMatchObject([{ state: "connected", node: "b", failures: 0 }]);
    const [here, there] = [a, b].map((proxy) => scrapeOf(proxy, "1")!);
    expect(there?.gzip.equals(here!.gzip)).toBe(true);
    expect(there).toMatchObject({ scrapedAt: here!.scrapedAt, number: here!.number, samples: 1 });
    // Milliseconds of the fast clock.
    expect(Math.abs(there!.measuredAt - here!.measuredAt)).toBeLessThan(2000);
  });

  it("follow changes and ended targets over the same connection, and send each scrape once", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    await a.connectTo(b);
    a.put("1", "x 1\n");
    a.put("2", "x 2\n");
    await expectServed(b).toEqual({ "1": "x 1\n", "2": "x 2\n" });
    a.put("1", "x 3\n");
    a.end("2");
    await expectServed(b).toEqual({ "1": "x 3\n" });
    // Its last scrape can still be read.
    expect([...b.cache.targets()]).toContainEqual(
      expect.objectContaining({ target: expect.objectContaining({ id: "docker:2", state: "gone" }) }),
    );
    expect(numbersOf(b, "a")).toHaveLength(3);
    expect(a.scrapes).toEqual({ in: 0, out: 3 });
    expect(connectionsTo(b)).toBe(1);
  });

  it("receive the reason why a target has no metrics", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    await a.connectTo(b);
    a.fail("1", "connection refused");
    const targets = () => [...b.cache.targets()].map(({ target }) => [target.state, target.reason]);
    await expect.poll(targets, soon).toEqual([["down", "connection refused"]]);
  });

  it("keep one connection if both dial at once, and count no failure", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    await Promise.all([a.connectTo(b), b.connectTo(a)]);
    await expect.poll(() => [...stateOf(a), ...stateOf(b)], soon).toEqual(["connected", "connected"]);
    const connections = () => connectionsTo(a) + connectionsTo(b);
    await expect.poll(connections, soon).toBe(1);
    a.put("1", "x 1\n");
    await expectServed(b).toEqual({ "1": "x 1\n" });
    expect(connections()).toBe(1);
    expect([...a.failures, ...b.failures]).toEqual([]);
  });

  it("do not send scrapes of global and local targets, which they serve themselves", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    await a.connectTo(b);
    a.put("1", "x 1\n", { scope: "global" });
    a.put("2", "x 2\n", { scope: "local" });
    a.put("3", "x 3\n");
    await expectServed(b).toEqual({ "3": "x 3\n" });
    expect(Object.keys(served(a))).toEqual(["1", "2", "3"]);
    expect(numbersOf(b, "a")).toHaveLength(1);
  });

  it("send few bytes for unchanged scrapes, which stay fresh", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    await a.connectTo(b);
    const put = () => {
      for (let id = 0; id < 500; id++) a.put(`${id}`, `x ${id}\n`);
      a.publisher.endCycle();
    };
    put();
    await expect.poll(() => numbersOf(b, "a").length, soon).toBe(500);
    const scraped = scrapeOf(b, "1")!;
    put();
    const renewed = () => scrapeOf(b, "1")!.scrapedAt;
    await expect.poll(renewed, soon).toBeGreaterThan(scraped.scrapedAt);
    expect(renewed()).toBe(scrapeOf(a, "1")!.scrapedAt);
    expect(scrapeOf(b, "1")!.gzip).toBe(scraped.gzip);
    // A target takes a few bytes of a batch.
    expect(a.cache.feed("a")!.publications().at(-1)!.bytes.length / 500).toBeLessThan(15);
    expect(a.scrapes.out).toBe(500);
  });
});

describe("three proxies", () => {
  it("that all dial each other send each scrape to each of them once", async () => {
    const all = await Promise.all(["a", "b", "c"].map((name) => startProxy(name, { clock: systemClock })));
    await Promise.all(all.map((one) => one.connectTo(...all)));
    await expect
      .poll(() => all.flatMap(stateOf).sort(), soon)
      .toEqual([...Array(6).fill("connected"), "self", "self", "self"]);
    for (let id = 0; id < 300; id++) all[0]!.put(`a${id}`, `x ${id}\n`);
    all[1]!.put("b1", "y 1\n");
    await expect.poll(() => numbersOf(all[2]!, "a").length + numbersOf(all[2]!, "b").length, soon).toBe(301);
    await expect.poll(() => holdTheSame(all), soon).toBe(true);
    expect(all.map(({ scrapes }) => scrapes.in)).toEqual([1, 300, 301]);
    expect(all.flatMap(({ failures }) => failures)).toEqual([]);
  });

  it("in a row forward scrapes, including changes and ended targets", async () => {
    const [a, relay, c] = await Promise.all(["a", "relay", "c"].map((name) => startProxy(name)));
    await Promise.all([a!.connectTo(relay!), c!.connectTo(relay!)]);
    a!.put("1", "x 1\n");
    a!.put("2", "x 2\n");
    await expectServed(c!).toEqual({ "1": "x 1\n", "2": "x 2\n" });
    a!.put("1", "x 3\n");
    a!.end("2");
    await expectServed(c!).toEqual({ "1": "x 3\n" });
  });

  it("with REPLICATE_TO=managers: workers have only their own scrapes and swarm documents of managers", async () => {
    const options = { replicateTo: "managers" } as const;
    const manager = await startProxy("m", options);
    const [one, other] = [
      await startProxy("w1", { ...options, manager: false }),
      await startProxy("w2", { ...options, manager: false }),
    ];
    await manager.connectTo(one, other);
    one.put("1", "x 1\n");
    other.put("2", "x 2\n");
    manager.put("3", "x 3\n");
    manager.publisher.swarm({ services: [], tasks: [{ id: "task1", node: "n1", addresses: ["10.0.0.2"] }] });
    await expectServed(manager).toEqual({ "1": "x 1\n", "2": "x 2\n", "3": "x 3\n" });
    await expect.poll(() => other.cache.swarm?.tasks, soon).toMatchObject([{ id: "task1" }]);
    expect(served(one)).toEqual({ "1": "x 1\n" });
    expect(served(other)).toEqual({ "2": "x 2\n" });
    // A worker that becomes a manager receives everything.
    other.setManager(true);
    await expectServed(other).toEqual({ "1": "x 1\n", "2": "x 2\n", "3": "x 3\n" });
  });
});

describe("a peer that stops", () => {
  it("is served until its scrapes are stale, and is forgotten after twice HISTORY", async () => {
    const options = { staleAfter: 10, history: 10 };
    const [a, b] = [await startProxy("a", options), await startProxy("b", options)];
    b.put("1", "x 1\n");
    await a.connectTo(b);
    await expectServed(a).toEqual({ "1": "x 1\n" });
    await b.stop();
    await expect.poll(() => stateOf(a), soon).toEqual(["failing"]);
    expect(served(a)).toEqual({ "1": "x 1\n" });
    await expectServed(a).toEqual({});
    await expect.poll(() => [...a.cache.feeds()].map(({ origin }) => origin), soon).toEqual(["a"]);
    expect(a.cache.expiredTargets("web")).toMatchObject([{ origin: "b", replica: "1" }]);
  });

  it("is dialled again soon after its restart, and has its earlier publications", async () => {
    const a = await startProxy("a", { interval: 1 });
    const first = await startProxy("b");
    await a.connectTo(first);
    first.put("1", "old 1\n");
    await expectServed(a).toEqual({ "1": "old 1\n" });
    await first.stop();
    await expect.poll(() => stateOf(a), soon).toEqual(["failing"]);
    const again = await startProxy("b", { port: first.port });
    again.put("2", "new 1\n");
    await expect.poll(() => served(a)["2"], soon).toBe("new 1\n");
    expect(a.replication.status().sharedNames).toEqual([]);
    expect(a.failures.filter((reason) => !["connect", "closed"].includes(reason))).toEqual([]);
  });
});

describe("a proxy whose clock is two hours ahead", () => {
  const ahead: Clock = {
    now: () => Date.now() + 7_200_000,
    monotonic: () => performance.now() + 5_000_000,
  };

  it("has the right ages and offset on other nodes, including indirectly connected ones", async () => {
    const a = await startProxy("a", { clock: systemClock });
    const b = await startProxy("b", { clock: ahead });
    const c = await startProxy("c", { clock: systemClock });
    await a.connectTo(b, c);
    a.put("1", "x 1\n");
    b.put("2", "y 1\n");
    for (const proxy of [a, b, c]) await expectServed(proxy).toEqual({ "1": "x 1\n", "2": "y 1\n" });
    for (const proxy of [a, c]) {
      const fromB = scrapeOf(proxy, "2")!;
      expect(fromB.scrapedAt).toBe(scrapeOf(b, "2")!.scrapedAt);
      expect(clockOffsetOf(fromB, systemClock)).toBeCloseTo(7200, 0);
      expect(performance.now() - fromB.measuredAt).toBeLessThan(5000);
    }
    const fromA = scrapeOf(b, "1")!;
    expect(clockOffsetOf(fromA, ahead)).toBeCloseTo(-7200, 0);
    expect(ahead.monotonic() - fromA.measuredAt).toBeLessThan(5000);
  });

  it("does not hide a container that started later by a correct clock", async () => {
    const a = await startProxy("a", { clock: systemClock });
    const b = await startProxy("b", { clock: ahead });
    await a.connectTo(b);
    const moved = { job: "shop_web", replica: "1" };
    b.put("old", "old 1\n", { ...moved, startedAt: ahead.now() - 60_000 });
    a.put("new", "new 1\n", { ...moved, startedAt: Date.now() - 10_000 });
    await expect.poll(() => a.cache.all().length, soon).toBe(2);
    await expect.poll(() => b.cache.all().length, soon).toBe(2);
    for (const proxy of [a, b]) expect(served(proxy)).toEqual({ "1": "new 1\n" });
  });
});

describe("a proxy whose memory budget is full", () => {
  it("keeps the newest scrapes, reports it once, and takes no more than its budget", async () => {
    const errors: string[] = [];
    const logger: Logger = { ...silentLogger, error: (line) => void errors.push(line) };
    const a = await startProxy("a");
    const memoryBytes = 300_000;
    const b = await startProxy("b", { memoryBytes, logger });
    await b.connectTo(a);
    const noise = (seed: number) =>
      Array.from(
        { length: 4000 },
        (_, index) => `x{a="${Math.imul(seed * 4001 + index, 0x9e3779b1)}"} 1\n`,
      ).join("");
    const numbers: number[] = [];
    for (let round = 0; round < 30; round++) {
      numbers.push(a.put("1", noise(round)));
      await expect.poll(() => b.cache.feed("a")?.held === a.cache.feed("a")?.held, soon).toBe(true);
    }
    await expect.poll(() => served(b)["1"] === noise(29), soon).toBe(true);
    await expect.poll(() => errors.length, soon).toBeGreaterThan(0);
    await expect.poll(() => numbersOf(b, "a").length, soon).toBeLessThan(30);
    expect(numbersOf(b, "a")).toContain(numbers.at(-1));
    expect(b.budget.used).toBeLessThanOrEqual(memoryBytes);
    expect(errors).toEqual([expect.stringMatching(/^memory budget exceeded/)]);
    expect(a.failures).toEqual([]);
    expect(b.failures).toEqual([]);
  });
});

describe("a proxy whose peer list hangs", () => {
  it("keeps its known peers, and applies the list when it arrives", async () => {
    let respond: (() => void) | undefined;
    let hangs = false;
    const list = async (peers: PeerList) => {
      if (hangs) await new Promise<void>((resolve) => (respond = resolve));
      return peers;
    };
    const a = await startProxy("a", { list });
    const [b, c] = [await startProxy("b"), await startProxy("c")];
    await a.connectTo(b);
    hangs = true;
    const listing = a.connectTo(b, c);
    a.put("1", "x 1\n");
    await expectServed(b).toEqual({ "1": "x 1\n" });
    expect(served(c)).toEqual({});
    respond?.();
    await listing;
    await expectServed(c).toEqual({ "1": "x 1\n" });
  });
});

describe("a proxy that starts with an empty disk and its clock set back", () => {
  it("raises its numbers above those of its peers, publishes again, and receives its old scrapes", async () => {
    const first = await startProxy("a");
    const b = await startProxy("b");
    await b.connectTo(first);
    first.put("1", "old 1\n");
    first.put("2", "old 2\n");
    await expectServed(b).toEqual({ "1": "old 1\n", "2": "old 2\n" });
    const highest = first.cache.feed("a")!.highest;
    await first.stop();
    const back: Clock = { now: () => fastClock.now() - 86_400_000, monotonic: fastClock.monotonic };
    const again = await startProxy("a", { port: first.port, clock: back });
    again.put("1", "new 1\n");
    expect(again.cache.feed("a")!.highest).toBeLessThan(highest);
    await expectServed(b).toEqual({ "1": "new 1\n" });
    expect(again.cache.feed("a")!.highest).toBeGreaterThan(highest);
    await expect.poll(() => holdTheSame([again, b]), soon).toBe(true);
    expect(numbersOf(again, "a").length).toBeGreaterThan(2);
    expect(b.replication.status().sharedNames).toEqual([]);
    expect(again.publisher.highest).toBeLessThan(highest + 60e6);
  });
});

describe("deploy.labels, which only managers can read", () => {
  const services = (port: string) => [{ id: "service1", name: "web", labels: { "metrics.port": port } }];
  const labels = ({ cache }: TestProxy) =>
    cache.swarm?.services.map((service) => service.labels["metrics.port"]);

  it("reach workers in the swarm document, follow changes, and are sent once", async () => {
    const [manager, worker] = [await startProxy("m"), await startProxy("w", { manager: false })];
    await manager.connectTo(worker);
    manager.publisher.swarm({ services: services("1201"), tasks: [] });
    await expect.poll(() => labels(worker), soon).toEqual(["1201"]);
    manager.publisher.swarm({ services: services("1202"), tasks: [] });
    await expect.poll(() => labels(worker), soon).toEqual(["1202"]);
    const { number } = worker.cache.swarm!;
    manager.publisher.swarm({ services: services("1202"), tasks: [] });
    manager.put("1", "x 1\n");
    await expectServed(worker).toEqual({ "1": "x 1\n" });
    expect(worker.cache.swarm?.number).toBe(number);
  });

  it("come from the manager that published last", async () => {
    const [one, other, worker] = await Promise.all(["m1", "m2", "w"].map((name) => startProxy(name)));
    await worker!.connectTo(one!, other!);
    one!.publisher.swarm({ services: services("1"), tasks: [] });
    await expect.poll(() => labels(worker!), soon).toEqual(["1"]);
    other!.publisher.swarm({ services: services("2"), tasks: [] });
    for (const proxy of [one!, other!, worker!]) await expect.poll(() => labels(proxy), soon).toEqual(["2"]);
  });
});

describe("a peer with several addresses", () => {
  it("is dialled at the next one after a failure, and keeps the one that works", async () => {
    const b = await startProxy("b");
    const peer = {
      ...knownPeer(b.port),
      addresses: [{ host: "127.0.0.1", port: 1 }, ...knownPeer(b.port).addresses],
    };
    const a = await startProxy("a", { list: async () => ({ peers: [peer] }) });
    await a.connectTo();
    const status = () => a.replication.status().peers;
    await expect.poll(status, soon).toMatchObject([{ state: "connected", address: `127.0.0.1:${b.port}` }]);
    expect(a.failures).toEqual(["connect"]);
  });
});
