import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { onePerInstance, type Scrape, servedOf } from "../../src/model/scrape.js";
import { manualClock } from "../support/manual-clock.js";
import { scrapeFor } from "../support/scrapes.js";

const clock = manualClock();

function scrape(fields: Partial<Scrape>): Scrape {
  return { ...scrapeFor(clock), ...fields };
}

const keyOf = ({ origin, id }: Pick<Scrape, "origin" | "id">) => `${origin} ${id}`;

/** A target with one job and instance, and its true times in milliseconds. */
interface Claim {
  readonly node: number;
  readonly id: string;
  /** 0 if unknown. */
  readonly start: number;
  readonly seen: number;
}

const anyClaims = (start: fc.Arbitrary<number>) =>
  fc.uniqueArray(
    fc.record<Claim>({
      node: fc.nat(3),
      id: fc.constantFrom("a", "b", "c"),
      start,
      seen: fc.nat(20),
    }),
    { selector: ({ node, id }) => `${node} ${id}`, minLength: 1, maxLength: 8 },
  );

/** Clocks of the four nodes: milliseconds that each is ahead. @param most the largest difference. */
const anyClocks = (most: number) =>
  fc.array(fc.integer({ min: -most, max: most }), { minLength: 4, maxLength: 4 });

const now = 1_000_000_000;

/**
 * The scrapes of the claims in the cache of a node. Each was made within the last 30 s and published with an age; the
 * publication took up to two seconds to arrive, for which the node takes the scrape for younger than it is.
 */
function cached(claims: readonly Claim[], clocks: readonly number[], value: fc.GeneratorValue): Scrape[] {
  const epoch = value(fc.nat, 1_000_000_000);
  return claims.map(({ node, id, start, seen }) => {
    const at = now - value(fc.nat, 30_000);
    const ahead = clocks[node]!;
    return scrape({
      ...{ id, origin: `n${node}`, firstSeen: seen + ahead + now },
      startedAt: start === 0 ? 0 : start + ahead,
      scrapedAt: at + ahead,
      measuredAt: at + value(fc.nat, 2000) - epoch,
    });
  });
}

describe("of several targets with one job and instance", () => {
  it("the one that was started last is served, whichever scrape is younger", () => {
    const old = scrape({ id: "old", startedAt: 1000, measuredAt: 99_000 });
    const young = scrape({ id: "new", startedAt: 2000, measuredAt: 98_000 });
    expect(servedOf([old, young]).id).toBe("new");
  });

  it("the one with a start time is served before those without", () => {
    const claims = [
      scrape({ id: "file", startedAt: 0, firstSeen: 1 }),
      scrape({ id: "docker", startedAt: 5 }),
    ];
    expect(servedOf(claims).id).toBe("docker");
  });

  it("the one that was seen first is served if there are no start times", () => {
    const claims = [
      scrape({ origin: "n1", id: "a", startedAt: 0, firstSeen: 2, measuredAt: 7 }),
      scrape({ origin: "n2", id: "a", startedAt: 0, firstSeen: 1, measuredAt: 5 }),
      scrape({ origin: "n2", id: "b", startedAt: 0, firstSeen: 1, measuredAt: 9 }),
    ];
    expect(keyOf(servedOf(claims))).toBe("n2 a");
  });

  it("one is served, whatever their order", () => {
    fc.assert(
      fc.property(anyClaims(fc.nat(20_000)), anyClocks(7_200_000), fc.gen(), (claims, clocks, value) => {
        const scrapes = cached(claims, clocks, value);
        const shuffled = value(fc.shuffledSubarray, scrapes, { minLength: scrapes.length });
        expect(servedOf(shuffled)).toBe(servedOf(scrapes));
        expect(onePerInstance(shuffled)).toEqual([servedOf(scrapes)]);
      }),
    );
  });

  it("every node serves the same at all times, if clocks differ by up to a second", () => {
    const anyStart = fc.oneof(fc.constant(0), fc.integer({ min: now - 20_000, max: now }));
    fc.assert(
      fc.property(anyClaims(anyStart), anyClocks(1000), fc.gen(), (claims, clocks, value) => {
        const served = Array.from({ length: 5 }, () => keyOf(servedOf(cached(claims, clocks, value))));
        expect(new Set(served).size).toBe(1);
      }),
    );
  });

  it("every node serves the one that was started last, if it was clearly later, whatever the clocks show", () => {
    const anyStart = fc.nat(30).map((start) => now - start * 10_000);
    fc.assert(
      fc.property(anyClaims(anyStart), anyClocks(7_200_000), fc.gen(), (claims, clocks, value) => {
        const starts = claims.map(({ start }) => start);
        fc.pre(new Set(starts).size === starts.length);
        const last = claims.find(({ start }) => start === Math.max(...starts))!;
        const served = servedOf(cached(claims, clocks, value));
        expect(keyOf(served)).toBe(keyOf({ origin: `n${last.node}`, id: last.id }));
      }),
    );
  });

  it("a target that is removed makes way for the next one, and no other one changes places", () => {
    fc.assert(
      fc.property(anyClaims(fc.nat(5000)), fc.gen(), (claims, value) => {
        const scrapes = cached(claims, [0, 0, 0, 0], value);
        const served = servedOf(scrapes);
        for (const removed of scrapes) {
          if (removed === served) continue;
          expect(servedOf(scrapes.filter((other) => other !== removed))).toBe(served);
        }
      }),
    );
  });
});

describe("onePerInstance", () => {
  it("keeps one scrape of each instance, in the order of the instances", () => {
    const scrapes = ["10", "2", "1", "2"].map((replica, index) =>
      scrape({ id: `docker:${index}`, replica, startedAt: index + 1 }),
    );
    expect(onePerInstance(scrapes).map(({ id }) => id)).toEqual(["docker:2", "docker:3", "docker:0"]);
  });

  it("distinguishes jobs whose instances have one name", () => {
    const scrapes = [scrape({ job: "db", replica: "eu.1" }), scrape({ job: "db.eu", replica: "1" })];
    expect(onePerInstance(scrapes)).toHaveLength(2);
  });
});
