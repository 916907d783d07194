import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Feed } from "../../src/cache/feed.js";
import { memoryOf } from "../../src/cache/held-publication.js";
import { isLocal, scrapesNamedBy } from "../../src/model/publication.js";
import {
  batch,
  failure,
  gzipOf,
  held,
  publishedTarget,
  success,
  swarmDocument,
  targetsDocument,
} from "../support/publications.js";

const at = 1_000_000;

function setUp() {
  const completed: number[] = [];
  let freed = 0;
  const feed = new Feed("node1", {
    onListed: () => undefined,
    onRemoved: () => undefined,
    onFreed: (bytes) => {
      freed += bytes;
    },
    onComplete: ({ publication }) => void completed.push(publication.number),
  });
  return { feed, completed, freed: () => freed };
}

describe("Feed", () => {
  it("holds a batch once all of its scrapes have arrived", () => {
    const { feed, completed } = setUp();
    const missing = feed.add(held(batch(10, [success("a", 1), success("b", 2), failure("c")]), at));
    expect(missing).toEqual([1, 2]);
    expect([feed.held, feed.highest]).toEqual([0, 10]);
    expect(feed.addScrape(2, gzipOf("2"))).toBe(true);
    expect(completed).toEqual([]);
    expect(feed.addScrape(1, gzipOf("1"))).toBe(true);
    expect(completed).toEqual([10]);
    expect(feed.held).toBe(10);
  });

  it("holds a batch whose missing scrapes it gave up", () => {
    const { feed, completed } = setUp();
    feed.add(held(batch(10, [success("a", 1), success("b", 2)]), at));
    feed.giveUp(1);
    feed.addScrape(2, gzipOf("2"));
    expect(completed).toEqual([10]);
  });

  it("holds a document, and a batch without scrapes, at once", () => {
    const { feed, completed } = setUp();
    feed.add(held(targetsDocument(1, []), at));
    feed.add(held(batch(2, [failure("a")]), at));
    feed.add(held(swarmDocument(3), at));
    expect(completed).toEqual([1, 2, 3]);
  });

  it("completes publications in the order of their numbers, in whatever order scrapes arrive (property)", () => {
    const scenario = fc.array(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(scenario, fc.infiniteStream(fc.nat(1000)), (batches, random) => {
        const { feed, completed } = setUp();
        const publications = batches.map((scrapes, index) =>
          batch(
            100 + index,
            scrapes.map((number, row) => success(String(row), number)),
          ),
        );
        const waiting = new Set<number>();
        const settled = new Set<number>();
        let added = 0;
        const next = () => random.next().value as number;
        while (added < publications.length || waiting.size > 0) {
          if (added < publications.length && next() % 2 === 0) {
            for (const number of feed.add(held(publications[added++]!, at))) {
              if (!settled.has(number)) waiting.add(number);
              else feed.giveUp(number);
            }
          } else if (waiting.size > 0) {
            const number = [...waiting][next() % waiting.size]!;
            waiting.delete(number);
            settled.add(number);
            if (next() % 3 === 0) feed.giveUp(number);
            else feed.addScrape(number, gzipOf(String(number)));
          }
          // Everything up to `held` is settled; the first publication above it is not.
          const complete = publications
            .slice(0, added)
            .map((one) => scrapesNamedBy(one).every((number) => settled.has(number)));
          const prefix = complete.findIndex((isComplete) => !isComplete);
          const count = prefix < 0 ? added : prefix;
          expect(completed).toEqual(publications.slice(0, count).map(({ number }) => number));
          expect(feed.held).toBe(count === 0 ? 0 : 99 + count);
        }
      }),
    );
  });

  it("waits for scrapes of a batch that are requested; abandons what a peer in order did not send", () => {
    const { feed, completed } = setUp();
    feed.add(held(batch(10, [success("a", 1)]), at));
    feed.add(held(batch(11, [success("b", 2)]), at));
    feed.add(held(batch(12, [success("c", 3)]), at));
    feed.abandonBefore(12, (scrape) => scrape === 2);
    expect(completed).toEqual([10]);
    feed.abandonBefore(12, () => false);
    expect(completed).toEqual([10, 11]);
    feed.addScrape(3, gzipOf("3"));
    expect(completed).toEqual([10, 11, 12]);
  });

  it("adds a scrape that arrives after it was given up", () => {
    const { feed } = setUp();
    feed.add(held(targetsDocument(1, [publishedTarget({ id: "a" })]), at));
    feed.add(held(batch(10, [success("a", 1)]), at));
    feed.giveUp(1);
    expect(feed.addScrape(1, gzipOf("1"))).toBe(true);
    expect(feed.scrapes.newestOf("a")?.number).toBe(1);
  });

  it("counts a skipped publication as held", () => {
    const { feed, completed } = setUp();
    feed.add(held(batch(10, [success("a", 1)]), at));
    feed.skip(11);
    expect(feed.held).toBe(0);
    feed.giveUp(1);
    expect([feed.held, feed.highest]).toEqual([11, 11]);
    expect(completed).toEqual([10]);
  });

  it("remembers the highest number that it noticed", () => {
    const { feed } = setUp();
    feed.notice(50);
    feed.notice(20);
    expect([feed.highest, feed.held]).toEqual([50, 0]);
  });

  it("keeps the newest documents", () => {
    const { feed, freed } = setUp();
    const [first, older, newer] = [5, 4, 6].map((number) =>
      held(targetsDocument(number, [publishedTarget({ id: `t${number}` })]), at),
    );
    feed.add(first!);
    feed.add(older!);
    expect(feed.targets.map(({ id }) => id)).toEqual(["t5"]);
    expect(freed()).toBe(memoryOf(older!));
    feed.add(newer!);
    expect(feed.targets.map(({ id }) => id)).toEqual(["t6"]);
    expect(feed.targetsDocument?.bytes).toBe(newer!.bytes);
    expect(freed()).toBe(memoryOf(older!) + memoryOf(first!));
    feed.add(newer!);
    expect(freed()).toBe(memoryOf(older!) + memoryOf(first!) + memoryOf(newer!));
  });

  it("ignores a batch that it has already", () => {
    const { feed, freed, completed } = setUp();
    const one = held(batch(10, [failure("a")]), at);
    feed.add(one);
    feed.add({ ...one });
    expect(feed.publications()).toHaveLength(1);
    expect(feed.scrapes.attemptsOf("a")).toHaveLength(1);
    expect(freed()).toBe(memoryOf(one));
    expect(completed).toEqual([10]);
  });

  it("returns what a follower lacks, in order, without local batches and what is not complete", () => {
    const { feed } = setUp();
    feed.add(held(batch(10, []), at));
    feed.add(held(targetsDocument(11, []), at));
    feed.add(held(batch(12, [], { local: true }), at));
    feed.add(held(swarmDocument(13), at));
    feed.add(held(batch(14, []), at));
    feed.add(held(batch(15, [success("a", 1)]), at));
    const above = (number: number) =>
      feed.publicationsAbove(number).map(({ publication }) => publication.number);
    expect(above(0)).toEqual([10, 11, 13, 14]);
    expect(above(10)).toEqual([11, 13, 14]);
    expect(above(12)).toEqual([13, 14]);
    expect(above(14)).toEqual([]);
    feed.giveUp(1);
    expect(above(14)).toEqual([15]);
  });

  it("removes batches with the scrapes that only they name", () => {
    const { feed, freed } = setUp();
    const [one, other] = [
      held(batch(10, [success("a", 1), success("b", 2)]), at),
      held(batch(11, [success("a", 1)]), at + 1000),
    ];
    feed.add(one);
    const [a, b] = [gzipOf("a"), gzipOf("b")];
    feed.addScrape(1, a);
    feed.addScrape(2, b);
    feed.add(other);
    feed.remove(feed.batchesBefore(at + 1000));
    expect(feed.publications()).toEqual([other]);
    expect(feed.scrapes.numbers).toEqual([1]);
    expect(freed()).toBe(memoryOf(one) + b.length);
    feed.clear();
    expect(freed()).toBe(memoryOf(one) + b.length + memoryOf(other) + a.length);
  });

  it("no longer waits for a batch that expired", () => {
    const { feed, completed } = setUp();
    feed.add(held(batch(10, [success("a", 1)]), at));
    feed.add(held(batch(11, []), at + 1000));
    feed.remove(feed.batchesBefore(at + 1));
    expect(completed).toContain(11);
    expect(feed.held).toBe(11);
  });

  it("computes times from the publication, so that they are the same on every reader", () => {
    const { feed } = setUp();
    const time = Date.UTC(2026, 0, 1);
    feed.add(held(batch(10, [failure("a", "timeout", { ago: 300 })], { time }), at));
    expect(feed.scrapes.attemptsOf("a")).toMatchObject([{ at: at - 300, scrapedAt: time - 300, batch: 10 }]);
  });

  it("knows when its newest publication was published", () => {
    const { feed } = setUp();
    feed.add(held(batch(11, []), at + 5));
    feed.add(held(batch(10, []), at));
    expect(feed.newestAt).toBe(at + 5);
  });
});

describe("isLocal", () => {
  it("is true for local batches only", () => {
    expect(isLocal(batch(1, [], { local: true }))).toBe(true);
    expect(isLocal(batch(1, []))).toBe(false);
    expect(isLocal(targetsDocument(1, []))).toBe(false);
  });
});
