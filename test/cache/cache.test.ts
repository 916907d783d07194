import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { memoryOf } from "../../src/cache/held-publication.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { Publication } from "../../src/model/publication.js";
import {
  batch,
  clockAt,
  failure,
  gzipOf,
  held,
  keepingLogger,
  publishedTarget,
  success,
  swarmDocument,
  targetsDocument,
} from "../support/publications.js";

const history = 300;
const hour = 3_600_000;

function setUp(maxBytes = 1_000_000, options: { readonly scrapeMaxBytes?: number } = {}) {
  const clock = clockAt();
  const logger = keepingLogger();
  const budget = new MemoryBudget(maxBytes);
  const cache = new Cache({ clock, logger, budget, staleAfter: 30, history, ...options });
  budget.addEvictor((bytesNeeded, origin) => cache.evict(bytesNeeded, origin));
  const add = (publication: Publication, age = 0) => cache.add(held(publication, clock.monotonic() - age));
  const addScrape = (origin: string, number: number, gzip = gzipOf(`${origin} ${number}`)) =>
    budget.take(gzip.length) && cache.addScrape(origin, number, gzip);
  return { clock, logger, budget, cache, add, addScrape };
}

/** Bytes that a cache holds: gzip bytes of scrapes and JSON bytes of publications. */
function bytesOf(cache: Cache): number {
  let bytes = 0;
  for (const feed of cache.feeds()) {
    for (const publication of feed.publications()) bytes += memoryOf(publication);
    for (const number of feed.scrapes.numbers) bytes += feed.scrapes.gzipOf(number)!.length;
  }
  return bytes;
}

describe("Cache", () => {
  it("serves a scrape under each name of its target", () => {
    const { cache, add, addScrape } = setUp();
    add(targetsDocument(1, [publishedTarget()]));
    expect(add(batch(2, [success("docker:1", 7)]))).toEqual([7]);
    expect(cache.named("web")).toEqual([]);
    expect(addScrape("node1", 7)).toBe(true);
    expect(cache.named("web")).toEqual(cache.named("shop_web"));
    expect(cache.named("web")).toMatchObject([{ origin: "node1", number: 7 }]);
    expect(cache.named("shop")).toEqual([]);
    expect([...cache.index.names()]).toEqual(["web", "shop_web"]);
  });

  it("does not wait for scrapes of other nodes above SCRAPE_MAX_BYTES", () => {
    const { cache, add } = setUp(1_000_000, { scrapeMaxBytes: 4 });
    add(targetsDocument(1, [publishedTarget()]));
    expect(add(batch(2, [success("docker:1", 7)]))).toEqual([]);
    const outcome = { reason: "exposition exceeds SCRAPE_MAX_BYTES of this node, 4" };
    expect(cache.feed("node1")?.scrapes.attemptsOf("docker:1")).toMatchObject([{ outcome }]);
    expect(cache.feed("node1")?.held).toBe(2);
  });

  it("serves the newest scrape, and the one before it until its bytes are here", () => {
    const { cache, clock, add, addScrape } = setUp();
    add(targetsDocument(1, [publishedTarget()]));
    add(batch(2, [success("docker:1", 7)]));
    addScrape("node1", 7);
    clock.advance(5000);
    add(batch(3, [success("docker:1", 8)]));
    expect(cache.named("web")).toMatchObject([{ number: 7 }]);
    addScrape("node1", 8);
    expect(cache.named("web")).toMatchObject([{ number: 8, measuredAt: clock.monotonic() }]);
  });

  it("serves a scrape until it is stale and not a moment longer", () => {
    const { cache, clock, add, addScrape } = setUp();
    add(targetsDocument(1, [publishedTarget()]));
    add(batch(2, [success("docker:1", 7)]));
    addScrape("node1", 7);
    clock.advance(30_000);
    expect(cache.named("web")).toHaveLength(1);
    clock.advance(1);
    expect(cache.named("web")).toEqual([]);
    expect(cache.fresh()).toEqual([]);
    expect(cache.all()).toHaveLength(1);
  });

  it("keeps an unchanged target fresh without new bytes", () => {
    const { cache, clock, add, addScrape } = setUp();
    add(targetsDocument(1, [publishedTarget()]));
    add(batch(2, [success("docker:1", 7)]));
    addScrape("node1", 7);
    const [before] = cache.named("web");
    clock.advance(20_000);
    expect(add(batch(3, [success("docker:1", 7)]))).toEqual([]);
    clock.advance(20_000);
    expect(cache.named("web")[0]?.gzip).toBe(before!.gzip);
    expect(cache.holds(before!)).toBe(true);
  });

  it("keeps a stale scrape out although a failed attempt is younger", () => {
    const { cache, clock, add, addScrape } = setUp();
    add(targetsDocument(1, [publishedTarget()]));
    add(batch(2, [success("docker:1", 7)]));
    addScrape("node1", 7);
    clock.advance(29_000);
    add(batch(3, [failure("docker:1")]));
    expect(cache.named("web")).toHaveLength(1);
    clock.advance(2000);
    expect(cache.named("web")).toEqual([]);
  });

  it("serves one scrape per instance: of the target that was started last, on any node", () => {
    const { cache, add, addScrape } = setUp();
    for (const [origin, startedAt] of [
      ["node1", 1000],
      ["node2", 2000],
    ] as const) {
      add(targetsDocument(1, [publishedTarget({ startedAt })], { origin }));
      add(batch(2, [success("docker:1", 7)], { origin }));
      addScrape(origin, 7);
    }
    expect(cache.named("web").map(({ origin }) => origin)).toEqual(["node2"]);
    expect(cache.all()).toHaveLength(2);
  });

  it("finds one replica under a name", () => {
    const { cache, add, addScrape } = setUp();
    add(targetsDocument(1, [publishedTarget(), publishedTarget({ id: "docker:2", replica: "2" })]));
    add(batch(2, [success("docker:1", 7), success("docker:2", 8)]));
    addScrape("node1", 7);
    addScrape("node1", 8);
    expect(cache.named("web", "2").map(({ id }) => id)).toEqual(["docker:2"]);
    expect(cache.named("web", "3")).toEqual([]);
  });

  it("knows the clock offset of each other node, by its latest scrape", () => {
    const { cache, clock, add, addScrape } = setUp();
    cache.ownFeed("node1");
    for (const origin of ["node1", "node2", "node3"]) {
      add(targetsDocument(1, [publishedTarget()], { origin }));
      add(batch(2, [success("docker:1", 7)], { origin, time: clock.now() + 7000 }));
    }
    addScrape("node1", 7);
    addScrape("node2", 7);
    expect([...cache.clockOffsets()]).toEqual([["node2", 7]]);
    clock.advance(1000);
    add(batch(3, [success("docker:1", 7)], { origin: "node2", time: clock.now() - 3000 }));
    expect([...cache.clockOffsets()]).toEqual([["node2", -3]]);
  });

  it("orders replicas naturally", () => {
    const { cache, add, addScrape } = setUp();
    const replicas = ["10", "2", "1"];
    add(
      targetsDocument(
        1,
        replicas.map((replica) => publishedTarget({ id: `docker:${replica}`, replica })),
      ),
    );
    add(
      batch(
        2,
        replicas.map((replica) => success(`docker:${replica}`, 100 + Number(replica))),
      ),
    );
    for (const replica of replicas) addScrape("node1", 100 + Number(replica));
    expect(cache.named("web").map(({ replica }) => replica)).toEqual(["1", "2", "10"]);
  });

  it("does not serve what the targets document does not list, or lists as gone", () => {
    const { cache, add, addScrape } = setUp();
    add(batch(1, [success("docker:1", 7), success("docker:2", 8)]));
    addScrape("node1", 7);
    addScrape("node1", 8);
    expect(cache.all()).toEqual([]);
    const other = publishedTarget({ id: "docker:2", names: ["api"] });
    add(targetsDocument(2, [publishedTarget(), other]));
    expect(cache.all()).toHaveLength(2);
    add(targetsDocument(3, [publishedTarget({ state: "gone" })]));
    expect(cache.all()).toEqual([]);
    expect([...cache.index.names()]).toEqual([]);
    expect([...cache.feed("node1")!.scrapes.all()].map(({ number }) => number)).toEqual([7]);
    expect([...cache.targets()]).toMatchObject([
      { origin: "node1", target: { state: "gone" }, scrape: undefined },
    ]);
  });

  it("lists the targets of all origins, served or not", () => {
    const { cache, add, addScrape } = setUp();
    add(targetsDocument(1, [publishedTarget(), publishedTarget({ id: "docker:2", state: "down" })]));
    add(targetsDocument(1, [publishedTarget({ state: "disabled", reason: "label" })], { origin: "node2" }));
    add(batch(2, [success("docker:1", 7)]));
    addScrape("node1", 7);
    expect(
      [...cache.targets()].map(({ origin, target, scrape }) => [origin, target.state, scrape?.number]),
    ).toEqual([
      ["node1", "up", 7],
      ["node1", "down", undefined],
      ["node2", "disabled", undefined],
    ]);
  });

  it("reports each publication once it is complete", () => {
    const { cache, add, addScrape } = setUp();
    const completed: number[] = [];
    const remove = cache.addListener({
      onComplete: ({ publication }) => void completed.push(publication.number),
    });
    add(batch(1, [success("docker:1", 7)]));
    add(targetsDocument(2, []));
    expect(completed).toEqual([]);
    addScrape("node1", 7);
    expect(completed).toEqual([1, 2]);
    remove();
    add(swarmDocument(3));
    expect(completed).toEqual([1, 2]);
  });

  it("remembers which bytes this process scraped itself", () => {
    const { cache, add, addScrape } = setUp();
    const gzip = gzipOf("x");
    add(targetsDocument(1, [publishedTarget()]));
    add(batch(2, [success("docker:1", 7)]));
    addScrape("node1", 7, gzip);
    const [scrape] = cache.all();
    expect(cache.wasScraped(scrape!)).toBe(false);
    cache.noteScraped(gzip);
    expect(cache.wasScraped(scrape!)).toBe(true);
  });

  it("distinguishes own scrapes from scrapes of other nodes", () => {
    const { cache, add, addScrape } = setUp();
    expect(cache.own).toBeUndefined();
    cache.ownFeed("node1");
    for (const origin of ["node1", "node2"]) {
      add(targetsDocument(1, [publishedTarget()], { origin }));
      add(batch(2, [success("docker:1", 7)], { origin }));
      addScrape(origin, 7);
    }
    expect(cache.own).toBe("node1");
    expect(cache.all().filter((scrape) => cache.isOwn(scrape))).toHaveLength(1);
  });
});

describe("the swarm document", () => {
  it("is the youngest of all managers", () => {
    const { cache, clock, add } = setUp();
    add(swarmDocument(9, { origin: "node1" }), 1000);
    add(swarmDocument(5, { origin: "node2" }), 2000);
    expect(cache.swarm?.origin).toBe("node1");
    clock.advance(1);
    add(swarmDocument(6, { origin: "node2" }));
    expect(cache.swarm?.origin).toBe("node2");
  });

  it("is kept when its origin is forgotten", () => {
    const { cache, clock, add } = setUp();
    const document = held(swarmDocument(9), clock.monotonic());
    cache.add(document);
    add(swarmDocument(1, { origin: "node2" }), 1000);
    clock.advance(2 * history * 1000 + 1);
    cache.expire();
    expect(cache.feed("node1")).toBeUndefined();
    expect(cache.swarm?.number).toBe(9);
    expect(cache.documents().map(({ bytes }) => bytes)).toContain(document.bytes);
  });

  it("is one of the documents while no younger one is known", () => {
    const { cache, clock } = setUp();
    const documents = () => cache.documents().map(({ publication }) => publication.number);
    cache.add(held(targetsDocument(8, [publishedTarget()]), clock.monotonic()));
    expect(documents()).toEqual([8]);
    cache.add(held(swarmDocument(9), clock.monotonic()));
    expect(documents()).toEqual([8, 9]);
    cache.add(held(swarmDocument(10), clock.monotonic()));
    expect(documents()).toEqual([8, 10]);
  });
});

describe("retention", () => {
  it("removes batches older than HISTORY, and the scrapes that only they name", () => {
    const { cache, clock, add, addScrape } = setUp();
    const [a, b] = [publishedTarget({ id: "a" }), publishedTarget({ id: "b", replica: "2" })];
    add(targetsDocument(1, [a, b]));
    add(batch(2, [success("a", 7), success("b", 8)]));
    addScrape("node1", 7);
    addScrape("node1", 8);
    clock.advance(1000);
    add(batch(3, [success("a", 7)]));
    clock.advance(history * 1000 - 1000);
    cache.expire();
    expect(cache.feed("node1")!.publications()).toHaveLength(3);
    clock.advance(1);
    cache.expire();
    expect(
      cache
        .feed("node1")!
        .publications()
        .map(({ publication }) => publication.number),
    ).toEqual([1, 3]);
    expect(cache.feed("node1")!.scrapes.numbers).toEqual([7]);
  });

  it("accepts no batch older than HISTORY, but counts it as held", () => {
    const { cache, budget, add } = setUp();
    add(targetsDocument(1, [publishedTarget()]));
    const used = budget.used;
    expect(add(batch(2, [success("docker:1", 7)]), history * 1000 + 1)).toEqual([]);
    expect(cache.feed("node1")!.held).toBe(2);
    expect(add(batch(2, [], { origin: "node2" }), history * 1000 + 1)).toEqual([]);
    expect(cache.feed("node2")).toBeUndefined();
    expect(budget.used).toBe(used);
  });

  it("counts the memory of attempts, which is much more than their JSON", () => {
    const { budget, add } = setUp();
    const attempts = Array.from({ length: 100 }, (_, index) => success(`docker:${index}`, 1 + index));
    add(batch(101, attempts));
    expect(budget.used).toBeGreaterThan(100 * 500);
  });

  it("forgets an origin after twice HISTORY, and remembers its targets for an hour", () => {
    const { cache, clock, budget, add, addScrape } = setUp();
    const ended = publishedTarget({ id: "docker:2", replica: "2", state: "gone" });
    add(targetsDocument(1, [publishedTarget(), ended]));
    add(batch(2, [success("docker:1", 7)]));
    addScrape("node1", 7);
    const publishedAt = clock.monotonic();
    clock.advance(2 * history * 1000);
    cache.expire();
    expect(cache.feed("node1")).toBeDefined();
    clock.advance(1);
    cache.expire();
    expect(cache.feed("node1")).toBeUndefined();
    expect(cache.all()).toEqual([]);
    expect(budget.used).toBe(0);
    expect(cache.expiredTargets("web")).toMatchObject([
      { origin: "node1", job: "shop_web", replica: "1", lastPublished: publishedAt },
    ]);
    clock.advance(hour);
    expect(cache.expiredTargets("web")).toEqual([]);
  });

  it("does not remember a target that another origin lists", () => {
    const { cache, clock, add, addScrape } = setUp();
    add(targetsDocument(1, [publishedTarget()]));
    clock.advance(2 * history * 1000 + 1);
    cache.expire();
    expect(cache.expiredTargets("web")).toHaveLength(1);
    add(targetsDocument(1, [publishedTarget()], { origin: "node2" }));
    add(batch(2, [success("docker:1", 7)], { origin: "node2" }));
    addScrape("node2", 7);
    expect(cache.expiredTargets("web")).toEqual([]);
  });

  it("does not remember a target that another origin lists already", () => {
    const { cache, clock, add } = setUp();
    add(targetsDocument(1, [publishedTarget()]));
    clock.advance(history * 1000);
    add(targetsDocument(1, [publishedTarget()], { origin: "node2" }));
    clock.advance(history * 1000 + 1);
    cache.expire();
    expect([...cache.feeds()].map(({ origin }) => origin)).toEqual(["node2"]);
    expect(cache.expiredTargets("web")).toEqual([]);
  });

  it("never forgets this node itself", () => {
    const { cache, clock, add } = setUp();
    cache.ownFeed("node1");
    add(targetsDocument(1, [publishedTarget()]));
    clock.advance(3 * history * 1000);
    cache.expire();
    expect(cache.feed("node1")!.targets).toHaveLength(1);
  });
});

describe("memory", () => {
  it("evicts the oldest scrapes of the largest origin, and reports it once", () => {
    const { cache, clock, logger, budget, add, addScrape } = setUp(26_000);
    const big = Buffer.alloc(3000);
    add(targetsDocument(1, [publishedTarget()]));
    add(targetsDocument(1, [publishedTarget()], { origin: "node2" }));
    for (const number of [10, 11, 12]) {
      add(batch(number, [success("docker:1", number)]));
      addScrape("node1", number, Buffer.from(big));
    }
    add(batch(10, [success("docker:1", 10)], { origin: "node2" }));
    addScrape("node2", 10, Buffer.from(big));
    expect(budget.take(12_000)).toBe(true);
    expect(cache.feed("node1")!.scrapes.numbers).toEqual([12]);
    expect(cache.feed("node2")!.scrapes.numbers).toEqual([10]);
    budget.give(12_000);
    expect(budget.take(14_000)).toBe(true);
    budget.give(14_000);
    const lines = logger.lines.filter(({ level }) => level === "error");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ fields: { origin: "node1", maxBytes: 26_000 } });
    clock.advance(60_001);
    cache.expire();
    cache.expire();
    expect(logger.lines.filter(({ message }) => message === "memory budget no longer exceeded")).toHaveLength(
      1,
    );
  });

  it("skips a publication that does not fit", () => {
    const { cache, logger, budget, add } = setUp(1000);
    add(targetsDocument(1, []));
    const used = budget.used;
    expect(add(targetsDocument(2, [publishedTarget({ labels: { a: "x".repeat(2000) } })]))).toEqual([]);
    expect(budget.used).toBe(used);
    // A document is requested again; a batch is soon followed by the next one.
    expect(cache.feed("node1")!.held).toBe(1);
    expect(add(batch(3, [failure("docker:1", "x".repeat(2000))]))).toEqual([]);
    expect(cache.feed("node1")!.held).toBe(3);
    cache.ownFeed("node1");
    expect(add(targetsDocument(4, [publishedTarget({ labels: { a: "x".repeat(2000) } })]))).toEqual([]);
    expect(cache.feed("node1")!.held).toBe(4);
    expect(logger.lines).toHaveLength(1);
  });

  it("counts exactly the bytes of scrapes and publications, and 0 at the end (property)", () => {
    const origin = fc.constantFrom("node1", "node2", "node3");
    const id = fc.constantFrom("docker:1", "docker:2", "docker:3");
    const number = fc.integer({ min: 1, max: 15 });
    const attempt = fc.oneof(
      fc.tuple(id, number).map(([one, scrape]) => success(one, scrape)),
      id.map((one) => failure(one)),
    );
    const target = fc
      .tuple(id, fc.constantFrom("up" as const, "gone" as const))
      .map(([one, state]) => publishedTarget({ id: one, state }));
    const age = fc.integer({ min: 0, max: 400_000 });
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("batch"),
        origin,
        number,
        age,
        attempts: fc.array(attempt, { maxLength: 4 }),
      }),
      fc.record({
        kind: fc.constant("targets"),
        origin,
        number,
        age,
        targets: fc.array(target, { maxLength: 3 }),
      }),
      fc.record({ kind: fc.constant("swarm"), origin, number, age }),
      fc.record({ kind: fc.constant("scrape"), origin, number, bytes: fc.integer({ min: 1, max: 3000 }) }),
      fc.record({ kind: fc.constant("giveUp"), origin, number }),
      fc.record({ kind: fc.constant("advance"), seconds: fc.integer({ min: 1, max: 200 }) }),
      fc.record({ kind: fc.constant("evict"), bytes: fc.integer({ min: 1, max: 5000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { cache, clock, budget } = setUp(12_000);
        const at = (one: { age: number }) => clock.monotonic() - one.age;
        for (const one of steps) {
          if ("attempts" in one) cache.add(held(batch(one.number, one.attempts, one), at(one)));
          else if ("targets" in one) cache.add(held(targetsDocument(one.number, one.targets, one), at(one)));
          else if ("age" in one) cache.add(held(swarmDocument(one.number, { origin: one.origin }), at(one)));
          else if ("seconds" in one) {
            clock.advance(one.seconds * 1000);
            cache.expire();
          } else if ("origin" in one && "bytes" in one) {
            if (budget.take(one.bytes)) cache.addScrape(one.origin, one.number, Buffer.alloc(one.bytes));
          } else if ("origin" in one) cache.feed(one.origin)?.giveUp(one.number);
          else if ("bytes" in one) budget.give(cache.evict(one.bytes));
          expect(budget.used).toBe(bytesOf(cache));
          expect(budget.used).toBeLessThanOrEqual(budget.maxBytes);
          const newest = [...cache.targets()].flatMap(({ scrape }) => scrape ?? []);
          expect(new Set(cache.all())).toEqual(new Set(newest));
          expect(cache.totals.scrapes).toBe(newest.length);
        }
        clock.advance(2 * history * 1000 + 1);
        cache.expire();
        expect(budget.used).toBe(0);
        expect([...cache.feeds()]).toEqual([]);
        expect(cache.all()).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
