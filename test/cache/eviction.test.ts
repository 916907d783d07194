import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import {
  batch,
  clockAt,
  held,
  keepingLogger,
  publishedTarget,
  success,
  targetsDocument,
} from "../support/publications.js";

const history = 60;

function setUp(maxBytes: number) {
  const clock = clockAt();
  const budget = new MemoryBudget(maxBytes);
  const cache = new Cache({ clock, budget, logger: keepingLogger(), staleAfter: 30, history });
  budget.addEvictor((bytesNeeded, origin) => cache.evict(bytesNeeded, origin));
  let number = 0;
  /** Publishes targets with one scrape each, as a node or a peer does. @returns the bytes of the scrapes */
  const publish = (origin: string, targets: number, bytes: number, label = "") => {
    const ids = Array.from({ length: targets }, (_, index) => `docker:${index}`);
    const listed = ids.map((id) => publishedTarget({ id, replica: id, labels: { label } }));
    const scrapes = ids.map((id) => success(id, ++number));
    cache.add(held(targetsDocument(++number, listed, { origin }), clock.monotonic()));
    const missing = cache.add(held(batch(++number, scrapes, { origin }), clock.monotonic()));
    for (const scrape of missing)
      if (budget.take(bytes, origin)) cache.addScrape(origin, scrape, Buffer.alloc(bytes, number % 256));
      else cache.feed(origin)?.giveUp(scrape);
    return number % 256;
  };
  /** Whether all targets of an origin are served with the scrapes that it published last. */
  const serves = (origin: string, targets: number, content: number) => {
    const scrapes = cache.all().filter((scrape) => scrape.origin === origin);
    return scrapes.length === targets && scrapes.every(({ gzip }) => gzip[0] === content);
  };
  return { cache, budget, clock, publish, serves };
}

describe("eviction", () => {
  it("never takes a served scrape of an origin for one learned later, however many there are (property)", () => {
    const flood = fc.record({
      origin: fc.integer({ min: 0, max: 30 }),
      targets: fc.integer({ min: 0, max: 12 }),
      bytes: fc.integer({ min: 1, max: 4000 }),
      label: fc.integer({ min: 0, max: 20_000 }),
    });
    fc.assert(
      fc.property(
        fc.array(fc.array(flood, { maxLength: 12 }), { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (cycles, ownFirst) => {
          const { cache, budget, clock, publish, serves } = setUp(200_000);
          if (ownFirst) cache.ownFeed("own");
          for (const origin of ["n1", "n2"]) publish(origin, 4, 500);
          if (!ownFirst) cache.ownFeed("own");
          for (const floods of cycles) {
            for (const { origin, targets, bytes, label } of floods)
              publish(`evil${origin}`, targets, bytes, "x".repeat(label));
            for (const origin of ["n1", "n2", "own"]) {
              const content = publish(origin, 4, 500);
              expect(serves(origin, 4, content)).toBe(true);
            }
            expect(budget.used).toBeLessThanOrEqual(budget.maxBytes);
            clock.advance(10_000);
            cache.expire();
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it("takes scrapes that are not served first: those of the origin with the most bytes of them", () => {
    const { cache, budget, publish, serves } = setUp(100_000);
    publish("n1", 2, 3000);
    publish("n2", 2, 1000);
    publish("n1", 2, 3000);
    const content = publish("n2", 2, 1000);
    expect(budget.take(budget.maxBytes - budget.used + 6000, "n3")).toBe(true);
    expect(cache.feed("n1")!.scrapes.olderBytes).toBe(0);
    expect(cache.feed("n2")!.scrapes.olderBytes).toBe(2000);
    expect(budget.take(2000, "n3")).toBe(true);
    expect(cache.feed("n2")!.scrapes.olderBytes).toBe(0);
    expect(budget.take(1, "n3")).toBe(false);
    expect(serves("n2", 2, content)).toBe(true);
  });

  it("takes everything of the origin learned last, then scrapes of the origin itself", () => {
    const { cache, budget, publish } = setUp(100_000);
    for (const origin of ["n1", "n2", "n3"]) publish(origin, 2, 1000);
    budget.take(budget.maxBytes - budget.used);
    expect(budget.take(1000, "n2")).toBe(true);
    expect(cache.feed("n3")!.scrapes.bytes).toBe(1000);
    expect(budget.take(1001, "n2")).toBe(true);
    expect(cache.feed("n3")).toBeUndefined();
    const spare = budget.maxBytes - budget.used;
    expect(budget.take(spare + 1000, "n2")).toBe(true);
    expect(cache.feed("n2")!.scrapes.bytes).toBe(1000);
    expect(cache.feed("n1")!.scrapes.bytes).toBe(2000);
    expect(budget.take(1001, "n2")).toBe(false);
  });

  it("takes the data of all other nodes for this one", () => {
    const { cache, budget, publish } = setUp(100_000);
    for (const origin of ["n1", "n2"]) publish(origin, 2, 1000);
    cache.ownFeed("own");
    expect(budget.take(100_000, "own")).toBe(true);
    expect([...cache.feeds()].map(({ origin }) => origin)).toEqual(["own"]);
  });
});
