import { duplexPair } from "node:stream";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/model/clock.js";
import { clockOffsetOf } from "../../src/model/scrape.js";
import { FrameChannel } from "../../src/replication/frame-channel.js";
import { inflateMessage, parseMessage } from "../../src/replication/messages.js";
import type { PeerList } from "../../src/replication/peers.js";
import { manualClock } from "../support/entries.js";
import { freePort } from "../support/free-port.js";
import { amplyLimited } from "./channel-options.js";
import { served, startProxy } from "./proxies.js";
import { message } from "./raw-peer.js";

describe("two proxies with the same secret", () => {
  it("hold each other's entries after one cycle of one of them, bytes and times", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    a.talkTo(b);
    a.put("1", "from_a 1\n");
    b.put("2", "from_b 2\n");
    await a.replicator.cycle();
    expect(a.replicator.statuses()).toMatchObject([{ state: "connected", node: "b", failures: 0 }]);
    expect(served(a)).toEqual({ "1": "from_a 1\n", "2": "from_b 2\n" });
    expect(served(b)).toEqual(served(a));
    const [here, there] = [a, b].map(({ cache }) => cache.all().find(({ id }) => id === "1")!);
    expect(there?.gzip).toEqual(here?.gzip);
    expect(there?.scrapedAt).toBe(here?.scrapedAt);
    expect(Math.abs(there!.measuredAt - here!.measuredAt)).toBeLessThan(200);
  });

  it("follow changes and removals over the same connection", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    a.talkTo(b);
    a.put("1", "x 1\n");
    a.put("2", "x 2\n");
    await a.replicator.cycle();
    a.put("1", "x 3\n");
    a.cache.remove("2");
    await a.replicator.cycle();
    expect(served(b)).toEqual({ "1": "x 3\n" });
    expect(a.entries).toEqual({ in: 0, out: 3 });
    expect(b.server.connections).toBe(1);
  });

  it("talk once, over one connection, when two cycles begin at the same moment", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    a.talkTo(b);
    a.put("1", "x 1\n");
    await Promise.all([a.replicator.cycle(), a.replicator.cycle()]);
    await Promise.all([a.replicator.cycle(), a.replicator.cycle()]);
    expect(served(b)).toEqual({ "1": "x 1\n" });
    expect({ failures: [...a.failures, ...b.failures], connections: b.server.connections }).toEqual({
      failures: [],
      connections: 1,
    });
  });

  it("fill the room in a full cache that is left by what is gone, and no more", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b", { limits: { entries: 3 } })];
    a.talkTo(b);
    for (const id of ["1", "2", "3"]) a.put(id, "x 1\n");
    await a.replicator.cycle();
    a.cache.remove("1");
    a.put("4", "x 1\n");
    await a.replicator.cycle();
    expect(b.failures).toEqual([]);
    expect(Object.keys(served(b))).toEqual(["2", "3", "4"]);
    a.cache.remove("2");
    for (const id of ["5", "6"]) a.put(id, "x 1\n");
    await a.replicator.cycle();
    expect(b.failures).toEqual(["limit"]);
    expect(Object.keys(served(b))).toEqual(["3", "4", "5"]);
  });

  it("keep at home what is global or local", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    a.talkTo(b);
    a.put("1", "x 1\n", { scope: "global" });
    a.put("2", "x 1\n", { scope: "local" });
    await a.replicator.cycle();
    expect(b.cache.all()).toEqual([]);
  });

  it("say almost nothing when the scrapes brought nothing new, and yet the entries stay fresh", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b")];
    a.talkTo(b);
    const put = () => {
      for (let id = 1; id <= 500; id++) a.put(String(id), `x ${id}\n`, { startedAt: 0 });
    };
    put();
    await a.replicator.cycle();
    const before = a.replicator.statuses()[0]!;
    const scraped = b.cache.all()[0]!;
    await new Promise((resolve) => setTimeout(resolve, 50));
    put();
    await a.replicator.cycle();
    const after = a.replicator.statuses()[0]!;
    expect(after.bytesIn + after.bytesOut - before.bytesIn - before.bytesOut).toBeLessThan(1000);
    const renewed = b.cache.all().find(({ id }) => id === scraped.id)!;
    expect(renewed.scrapedAt).toBeGreaterThan(scraped.scrapedAt);
    expect(renewed.scrapedAt).toBe(a.cache.get(scraped.id)?.scrapedAt);
    expect(a.entries.out).toBe(500);
  });
});

describe("three proxies", () => {
  it("that all talk to each other at the same moment send each entry to each of them once", async () => {
    const all = [await startProxy("a"), await startProxy("b"), await startProxy("c")];
    for (const one of all) one.talkTo(...all);
    const cycle = () => Promise.all(all.map((one) => one.replicator.cycle()));
    await cycle();
    for (let id = 1; id <= 300; id++) all[0]!.put(`a${id}`, `x ${id}\n`);
    all[1]!.put("b1", "y 1\n");
    const before = all.map(({ entries }) => entries.in);
    await cycle();
    await cycle();
    for (const one of all) expect(Object.keys(served(one))).toHaveLength(301);
    // Where a relay is faster than the origin itself, a little may come twice: no relay can hold an origin back.
    const received = all.map(({ entries }, index) => entries.in - before[index]!);
    for (const [index, needed] of [1, 300, 301].entries()) {
      expect(received[index]).toBeGreaterThanOrEqual(needed);
      expect(received[index]).toBeLessThanOrEqual(needed + 10);
    }
    expect(all[0]!.replicator.statuses().map(({ state }) => state)).toEqual([
      "self",
      "connected",
      "connected",
    ]);
    expect(all.flatMap(({ failures }) => failures)).toEqual([]);
  });

  it("that all talk to each other say less than 1 kB a pair, plus 40 bytes an origin, when no text has changed", async () => {
    const all = [await startProxy("node-1"), await startProxy("node-2"), await startProxy("node-3")];
    for (const one of all) one.talkTo(...all.filter((other) => other !== one));
    const cycle = async () => {
      for (const { put, origin } of all) {
        for (let id = 1; id <= 50; id++) put(`${origin}.${id}`, `x ${id}\n`, { startedAt: 1 });
      }
      await Promise.all(all.map((one) => one.replicator.cycle()));
    };
    const bytes = () => {
      const statuses = all.flatMap((one) => one.replicator.statuses());
      return statuses.reduce((sum, { bytesIn, bytesOut }) => sum + bytesIn + bytesOut, 0);
    };
    await cycle();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = bytes();
    await cycle();
    expect(bytes() - before).toBeLessThan(3 * (1000 + 3 * 40));
    for (const { cache } of all) {
      const ages = cache.all().map(({ measuredAt }) => performance.now() - measuredAt);
      expect(ages).toHaveLength(150);
      expect(Math.max(...ages)).toBeLessThan(1000);
    }
  });

  it("of which one is a manager: what one worker has reaches the other in the same cycle, bytes and times", async () => {
    const [manager, one, other] = [await startProxy("m"), await startProxy("w1"), await startProxy("w2")];
    one.role(false);
    other.role(false);
    await Promise.all([one.replicator.cycle(), other.replicator.cycle()]);
    manager.talkTo(one, other);
    const entry = one.put("1", "x 1\n");
    other.put("2", "y 1\n");
    await manager.replicator.cycle();
    for (const node of [manager, one, other]) expect(served(node)).toEqual({ "1": "x 1\n", "2": "y 1\n" });
    const there = other.cache.all().find(({ id }) => id === "1")!;
    const { measuredAt, sequence: _, epoch: __, renewed: ___, ...rest } = entry;
    expect(there).toMatchObject(rest);
    expect(Math.abs(there.measuredAt - measuredAt)).toBeLessThan(1000);
    one.cache.remove("1");
    await manager.replicator.cycle();
    for (const node of [manager, one, other]) expect(served(node)).toEqual({ "2": "y 1\n" });
  });

  it("with REPLICATE_TO=managers keep from workers what others have, and still take what the workers have", async () => {
    const options = { replicateTo: "managers" } as const;
    const manager = await startProxy("m1", options);
    const second = await startProxy("m2", options);
    const worker = await startProxy("w", options);
    worker.role(false);
    await Promise.all([second.replicator.cycle(), worker.replicator.cycle()]);
    manager.talkTo(second, worker);
    manager.put("1", "x 1\n");
    worker.put("2", "y 1\n");
    await manager.replicator.cycle();
    await manager.replicator.cycle();
    expect(Object.keys(served(manager))).toEqual(["1", "2"]);
    expect(Object.keys(served(second))).toEqual(["1", "2"]);
    expect(Object.keys(served(worker))).toEqual(["2"]);
  });

  it("of which one dies: its entries go on being served until they are stale, and not longer", async () => {
    const [a, b] = [await startProxy("a", { staleAfter: 0.6 }), await startProxy("b", { staleAfter: 0.6 })];
    a.talkTo(b);
    b.put("1", "x 1\n");
    await a.replicator.cycle();
    await b.stop();
    await a.replicator.cycle();
    expect(a.failures.length).toBeGreaterThan(0);
    expect(served(a)).toEqual({ "1": "x 1\n" });
    await expect.poll(() => served(a), { timeout: 2000 }).toEqual({});
    a.cache.dropStale();
    expect(a.cache.all()).toEqual([]);
  });

  it.each([
    ["a little longer than entries are fresh", 45],
    ["for long", 500],
  ])(
    "apart %s: once they are in touch again each has what the other said all the time",
    async (_, seconds) => {
      const clock = manualClock();
      const [a, b] = [await startProxy("a", { clock }), await startProxy("b", { clock })];
      a.talkTo(b);
      const scrape = () => {
        for (const id of ["1", "2"]) a.put(id, `x ${id}\n`, { startedAt: 0 });
        b.put("3", "x 3\n", { startedAt: 0 });
        for (const { cache } of [a, b]) {
          cache.holdings.confirm();
          cache.dropStale();
        }
      };
      scrape();
      await a.replicator.cycle();
      for (let waited = 0; waited < seconds; waited += 5) {
        clock.advance(5);
        scrape();
      }
      expect([a, b].map((proxy) => Object.keys(served(proxy)))).toEqual([["1", "2"], ["3"]]);
      await a.replicator.cycle();
      expect([a, b].map((proxy) => Object.keys(served(proxy)))).toEqual([
        ["1", "2", "3"],
        ["1", "2", "3"],
      ]);
    },
  );
});

describe("a proxy whose clock runs two hours ahead", () => {
  const ahead = { now: () => Date.now() + 7_200_000, monotonic: () => performance.now() + 5_000_000 };

  it("harms nobody: ages are right on both sides, and its offset is known", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b", { clock: ahead })];
    a.talkTo(b);
    a.put("1", "x 1\n");
    b.put("2", "y 1\n");
    await a.replicator.cycle();
    const fromB = a.cache.all().find(({ id }) => id === "2")!;
    const fromA = b.cache.all().find(({ id }) => id === "1")!;
    expect(clockOffsetOf(fromB, systemClock)).toBeCloseTo(7200, 0);
    expect(clockOffsetOf(fromA, ahead)).toBeCloseTo(-7200, 0);
    expect(performance.now() - fromB.measuredAt).toBeLessThan(1000);
    expect(ahead.monotonic() - fromA.measuredAt).toBeLessThan(1000);
  });

  it("does not win against a container that was started later by a clock that is right", async () => {
    const [a, b] = [await startProxy("a"), await startProxy("b", { clock: ahead })];
    a.talkTo(b);
    const moved = { job: "shop_web", replica: "1" };
    b.put("old", "old 1\n", { ...moved, startedAt: ahead.now() - 60_000 });
    a.put("new", "new 1\n", { ...moved, startedAt: Date.now() - 10_000 });
    await a.replicator.cycle();
    expect(served(a)).toEqual({ "1": "new 1\n" });
    expect(served(b)).toEqual({ "1": "new 1\n" });
  });
});

describe("a proxy whose cache is full", () => {
  it("takes no more entries, and still takes what is new of those that it has", async () => {
    const a = await startProxy("a");
    const b = await startProxy("b", { limits: { entries: 2 } });
    b.talkTo(a);
    for (const id of ["1", "2"]) a.put(id, "old 1\n");
    await b.replicator.cycle();
    for (const id of ["1", "2"]) a.put(id, "new 1\n");
    await b.replicator.cycle();
    expect(b.failures).toEqual([]);
    expect(served(b)).toEqual({ "1": "new 1\n", "2": "new 1\n" });
    a.put("3", "one_too_many 1\n");
    await b.replicator.cycle();
    expect(b.failures).toEqual(["limit"]);
    expect(Object.keys(served(b))).toEqual(["1", "2"]);
  });
});

describe("a peer that was away", () => {
  it("is tried again before the next cycle, also where the timer comes too early by the clock", async () => {
    const slow = { now: () => Date.now(), monotonic: () => 0.95 * performance.now() };
    const a = await startProxy("a", { clock: slow });
    a.talkTo({ server: { port: await freePort() } });
    await a.replicator.cycle();
    await expect.poll(() => a.failures, { timeout: 5000 }).toEqual(["connect", "connect"]);
  });
});

describe("a peer with several addresses", () => {
  it("is talked to at the first that does, which is told, and asked there from then on", async () => {
    const b = await startProxy("b");
    const [dead, alive] = [await freePort(), b.server.port];
    const addresses = [dead, alive].map((port) => ({ host: "127.0.0.1", port }));
    const peers = [{ key: "b", title: "b", addresses }];
    const a = await startProxy("a", { list: async () => ({ manager: true, peers }) });
    await a.replicator.cycle();
    expect(a.failures).toEqual(["connect"]);
    await expect
      .poll(() => a.replicator.statuses(), { timeout: 5000 })
      .toMatchObject([{ state: "connected", address: `127.0.0.1:${alive}` }]);
    await a.replicator.cycle();
    expect(a.failures).toEqual(["connect"]);
    expect(a.replicator.statuses()).toMatchObject([{ address: `127.0.0.1:${alive}` }]);
  });
});

describe("a proxy whose engine does not tell the peers", () => {
  it("goes on with those that it knows, and takes the list when it comes", async () => {
    let answer: (() => void) | undefined;
    let hangs = false;
    const list = async (peers: PeerList) => {
      if (hangs) await new Promise<void>((resolve) => (answer = resolve));
      return peers;
    };
    const a = await startProxy("a", { list });
    const [b, c] = [await startProxy("b"), await startProxy("c")];
    a.talkTo(b);
    await a.replicator.cycle();
    hangs = true;
    a.put("1", "x 1\n");
    a.talkTo(b, c);
    await a.replicator.cycle();
    expect(served(b)).toEqual({ "1": "x 1\n" });
    expect(served(c)).toEqual({});
    answer?.();
    await expect.poll(() => a.replicator.statuses()).toHaveLength(2);
    await a.replicator.cycle();
    expect(served(c)).toEqual({ "1": "x 1\n" });
  });
});

describe("a proxy that starts anew with a wiped disk and its clock set back", () => {
  it("begins an epoch above the one that others hold of it", async () => {
    const first = await startProxy("a", { epoch: 5_000 });
    const b = await startProxy("b");
    b.talkTo(first);
    first.put("1", "old 1\n");
    first.put("2", "old 2\n");
    await b.replicator.cycle();
    await first.stop();
    const again = await startProxy("a", { epoch: 100 });
    again.put("1", "new 1\n");
    b.talkTo(again);
    await b.replicator.cycle();
    await b.replicator.cycle();
    expect(again.cache.holdings.epoch).toBe(5_001);
    expect(served(b)).toEqual({ "1": "new 1\n" });
  });

  it.each([
    [0, 5_000],
    [1, 5_001],
  ])("is in epoch 5000 and told of something %i ahead of it: then it is in %i", async (ahead, epoch) => {
    const node = await startProxy("a", { epoch: 5_000 });
    node.put("1", "x 1\n");
    const { sequence } = node.cache.holdings.versionOf("a");
    const [here, there] = duplexPair();
    const answering = node.replicator
      .answer(there, {} as never, new AbortController().signal)
      .catch(() => undefined);
    here.write(message({ kind: "hello", protocol: 1, instance: "other", origin: "b" }));
    const raise: [number, number] = [5_000, sequence + ahead];
    here.write(message({ kind: "plan", raise, light: [], offer: [], want: [] }));
    const answers = new FrameChannel(here, amplyLimited());
    for (const kind of ["hello", "answer"]) {
      expect(parseMessage(inflateMessage((await answers.receive(5000)).payload, 1e6))).toMatchObject({
        kind,
      });
    }
    here.end();
    await answering;
    expect(node.cache.holdings.epoch).toBe(epoch);
  });
});

describe("labels of services, which only managers can see", () => {
  const ports = (port: string) => new Map([["service1", { "metrics.port": port }]]);

  it("reach workers with the next cycle, follow changes, and travel no more than needed", async () => {
    const [manager, worker] = [await startProxy("m"), await startProxy("w")];
    worker.role(false);
    await worker.replicator.cycle();
    manager.talkTo(worker);
    manager.role(true, ports("1201"));
    await manager.replicator.cycle();
    expect(worker.serviceLabels.labels).toEqual(ports("1201"));
    manager.role(true, ports("1202"));
    await manager.replicator.cycle();
    expect(worker.serviceLabels.labels).toEqual(ports("1202"));
    const bytes = () => manager.replicator.statuses()[0]!.bytesOut;
    const before = bytes();
    await manager.replicator.cycle();
    expect(bytes() - before).toBeLessThan(150);
  });

  it("are not taken by a manager, which knows them itself", async () => {
    const [one, other] = [await startProxy("m1"), await startProxy("m2")];
    other.role(true, ports("2"));
    await other.replicator.cycle();
    one.talkTo(other);
    one.role(true, ports("1"));
    await one.replicator.cycle();
    expect(other.serviceLabels.labels).toEqual(ports("2"));
  });
});
