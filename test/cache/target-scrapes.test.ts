import { describe, expect, it } from "vitest";
import { targetKeyOf } from "../../src/archive/target-key.js";
import type { KnownTarget } from "../../src/cache/name-index.js";
import { TargetScrapes, type TimedAttempt } from "../../src/cache/target-scrapes.js";
import type { PublishedTarget } from "../../src/model/publication.js";
import { gzipOf, publishedTarget, textType } from "../support/publications.js";

const web = targetKeyOf("docker:1");
const api = targetKeyOf("docker:2");

function setUp() {
  const index = new Set<KnownTarget>();
  const removed: PublishedTarget[] = [];
  let freed = 0;
  const scrapes = new TargetScrapes("node1", {
    onListed: (known) => void index.add(known),
    onRemoved: (known) => {
      expect(index.delete(known)).toBe(true);
      removed.push(known.target);
    },
    onFreed: (bytes) => {
      freed += bytes;
    },
  });
  const served = () => [...index].flatMap(({ scrape }) => scrape ?? []);
  return { scrapes, index, served, removed, freed: () => freed };
}

function attempt(target: number, number: number | string, at: number, batch = 1): TimedAttempt {
  const outcome =
    typeof number === "string" ? { reason: number } : { number, contentType: textType, size: 5, samples: 1 };
  return { target, at, scrapedAt: 1_000_000 + at, duration: 0.01, outcome, batch };
}

describe("TargetScrapes", () => {
  it("joins a scrape with the identity of its target", () => {
    const { scrapes, served } = setUp();
    const gzip = gzipOf("x 1\n");
    scrapes.list([publishedTarget()]);
    scrapes.add(attempt(web, 7, 100));
    expect(scrapes.newestOf("docker:1")).toBeUndefined();
    expect(scrapes.store(7, gzip)).toBe(true);
    expect(scrapes.newestOf("docker:1")).toEqual({
      ...{ id: "docker:1", origin: "node1", names: ["web", "shop_web"], job: "shop_web", replica: "1" },
      ...{ scope: "replicated", stack: "shop", number: 7, gzip, contentType: textType, size: 5, samples: 1 },
      ...{ url: "http://10.0.0.1:8080/metrics", scrapedAt: 1_000_100, duration: 0.01, startedAt: 0 },
      measuredAt: 100,
    });
    expect(served()).toEqual([scrapes.newestOf("docker:1")]);
  });

  it("serves the newest scrape whose bytes are here", () => {
    const { scrapes } = setUp();
    scrapes.list([publishedTarget()]);
    scrapes.add(attempt(web, 1, 100));
    scrapes.add(attempt(web, 2, 200));
    scrapes.add(attempt(web, "timeout", 300));
    scrapes.store(1, gzipOf("1"));
    expect(scrapes.newestOf("docker:1")?.number).toBe(1);
    scrapes.store(2, gzipOf("2"));
    expect(scrapes.newestOf("docker:1")?.number).toBe(2);
  });

  it("orders attempts by their times, however they arrive", () => {
    const { scrapes } = setUp();
    scrapes.list([publishedTarget()]);
    for (const at of [300, 100, 200]) scrapes.add(attempt(web, at, at));
    for (const number of [100, 200, 300]) scrapes.store(number, gzipOf(String(number)));
    expect(scrapes.attemptsOf("docker:1").map(({ at }) => at)).toEqual([100, 200, 300]);
    expect(scrapes.newestOf("docker:1")?.number).toBe(300);
  });

  it("gives unchanged attempts new times and the same bytes", () => {
    const { scrapes } = setUp();
    const gzip = gzipOf("1");
    scrapes.list([publishedTarget()]);
    scrapes.add(attempt(web, 1, 100, 1));
    scrapes.store(1, gzip);
    scrapes.add(attempt(web, 1, 200, 2));
    expect(scrapes.newestOf("docker:1")).toMatchObject({ number: 1, measuredAt: 200 });
    expect(scrapes.newestOf("docker:1")?.gzip).toBe(gzip);
    expect(scrapes.bytes).toBe(gzip.length);
    expect([...scrapes.all()]).toHaveLength(1);
  });

  it("keeps bytes while an attempt names them, and frees them with the last one", () => {
    const { scrapes, freed } = setUp();
    const gzip = gzipOf("1");
    scrapes.list([publishedTarget(), publishedTarget({ id: "docker:2" })]);
    scrapes.add(attempt(web, 1, 100, 1));
    scrapes.add(attempt(api, 1, 150, 1));
    scrapes.store(1, gzip);
    scrapes.add(attempt(web, 1, 200, 2));
    scrapes.remove(1);
    expect(freed()).toBe(0);
    expect(scrapes.newestOf("docker:1")?.number).toBe(1);
    expect(scrapes.newestOf("docker:2")).toBeUndefined();
    scrapes.remove(2, [web]);
    expect(freed()).toBe(gzip.length);
    expect(scrapes.bytes).toBe(0);
    expect(scrapes.numbers).toEqual([]);
  });

  it("rejects bytes that no attempt names, and bytes that are here already", () => {
    const { scrapes } = setUp();
    expect(scrapes.store(1, gzipOf("1"))).toBe(false);
    scrapes.add(attempt(web, 1, 100));
    expect(scrapes.store(1, gzipOf("1"))).toBe(true);
    expect(scrapes.store(1, gzipOf("1"))).toBe(false);
  });

  it("accepts attempts before their target is listed", () => {
    const { scrapes, served } = setUp();
    scrapes.add(attempt(web, 1, 100));
    scrapes.store(1, gzipOf("1"));
    expect([...served(), ...scrapes.all()]).toEqual([]);
    scrapes.list([publishedTarget()]);
    expect(served().map(({ number }) => number)).toEqual([1]);
  });

  it("does not serve a target that is gone, but lets its scrapes be read", () => {
    const { scrapes, served, removed } = setUp();
    scrapes.list([publishedTarget()]);
    scrapes.add(attempt(web, 1, 100));
    scrapes.store(1, gzipOf("1"));
    const gone = publishedTarget({ state: "gone" });
    scrapes.listOne(gone);
    scrapes.listOne(gone);
    expect(served()).toEqual([]);
    expect(removed).toHaveLength(1);
    expect([...scrapes.all()].map(({ number }) => number)).toEqual([1]);
    expect(scrapes.identityOf(1)).toMatchObject({ job: "shop_web", replica: "1" });
  });

  it("does not serve a target that is no longer listed", () => {
    const { scrapes, served, removed } = setUp();
    scrapes.list([publishedTarget()]);
    scrapes.add(attempt(web, 1, 100));
    scrapes.store(1, gzipOf("1"));
    scrapes.list([]);
    expect([...served(), ...scrapes.all()]).toEqual([]);
    expect(removed.map(({ id }) => id)).toEqual(["docker:1"]);
    expect(scrapes.identityOf(1)).toBeUndefined();
    scrapes.list([publishedTarget({ names: ["new"] })]);
    expect(served().map(({ names }) => names)).toEqual([["new"]]);
  });

  it("lists every scrape once, with the times of its last attempt", () => {
    const { scrapes } = setUp();
    scrapes.list([publishedTarget()]);
    scrapes.add(attempt(web, 1, 100));
    scrapes.add(attempt(web, 2, 200));
    scrapes.add(attempt(web, 1, 300));
    scrapes.store(1, gzipOf("1"));
    scrapes.store(2, gzipOf("2"));
    expect([...scrapes.all()].map(({ number, measuredAt }) => [number, measuredAt])).toEqual([
      [1, 300],
      [2, 200],
    ]);
  });

  it("evicts scrapes that are not served first, and accepts them again", () => {
    const { scrapes, freed } = setUp();
    const [one, two] = [gzipOf("1"), gzipOf("22")];
    scrapes.list([publishedTarget()]);
    scrapes.add(attempt(web, 1, 100));
    scrapes.add(attempt(web, 2, 200));
    scrapes.store(2, two);
    scrapes.store(1, one);
    expect(scrapes.olderBytes).toBe(one.length);
    expect(scrapes.evict(false)).toBe(one.length);
    expect(scrapes.evict(false)).toBe(0);
    expect(scrapes.olderBytes).toBe(0);
    expect(scrapes.newestOf("docker:1")?.number).toBe(2);
    expect(scrapes.evict(true)).toBe(two.length);
    expect(scrapes.evict(true)).toBe(0);
    expect(scrapes.newestOf("docker:1")).toBeUndefined();
    expect(scrapes.bytes).toBe(0);
    expect(freed()).toBe(0);
    expect(scrapes.store(2, two)).toBe(true);
    expect(scrapes.newestOf("docker:1")?.number).toBe(2);
  });

  it("reports a listed target once, and again if its names change", () => {
    const { scrapes, index, removed } = setUp();
    const api = publishedTarget({ id: "docker:2", replica: "2" });
    scrapes.list([publishedTarget(), api]);
    const [known] = index;
    scrapes.list([publishedTarget({ state: "down", reason: "timeout" }), { ...api, names: ["api"] }]);
    expect(removed).toEqual([api]);
    expect([...index].map(({ target }) => target.names)).toEqual([["web", "shop_web"], ["api"]]);
    expect([...index][0]).toBe(known);
    expect(known?.target.state).toBe("down");
  });

  it("counts the targets with a scrape, and knows the times of the latest", () => {
    const { scrapes } = setUp();
    scrapes.list([publishedTarget(), publishedTarget({ id: "docker:2" })]);
    scrapes.add(attempt(web, 1, 100, 1));
    expect(scrapes).toMatchObject({ served: 0, latest: undefined });
    scrapes.store(1, gzipOf("1"));
    scrapes.add(attempt(api, 1, 300, 2));
    scrapes.add(attempt(web, 1, 200, 3));
    expect(scrapes).toMatchObject({ served: 2, latest: { measuredAt: 300, scrapedAt: 1_000_300 } });
    scrapes.evict(true);
    expect(scrapes).toMatchObject({ served: 0, latest: undefined });
  });
});
