import { describe, expect, it } from "vitest";
import { Cache, type EntryStore } from "../../src/cache/cache.js";
import type { Scrape } from "../../src/model/scrape.js";
import { entryFor, manualClock } from "../support/entries.js";

function rememberingStore(): EntryStore & { saved: string[]; removed: string[] } {
  const saved: string[] = [];
  const removed: string[] = [];
  return {
    saved,
    removed,
    save: (entry: Scrape) => saved.push(entry.id),
    remove: ({ id }) => removed.push(id),
  };
}

function setUp() {
  const clock = manualClock();
  const store = rememberingStore();
  return { clock, store, cache: new Cache({ clock, staleAfter: 30, store }) };
}

describe("the cache", () => {
  it("answers under each name of an entry", () => {
    const { cache, clock } = setUp();
    const entry = entryFor(clock);
    cache.put(entry);
    expect(cache.named("web")).toEqual([entry]);
    expect(cache.named("shop_web")).toEqual([entry]);
    expect(cache.named("shop")).toEqual([]);
  });

  it("puts an entry in the place of its predecessor, names and bytes included", () => {
    const { cache, clock } = setUp();
    cache.put(entryFor(clock, { text: "a_long_text 1\n".repeat(100) }));
    const successor = entryFor(clock, { names: ["api"] });
    cache.put(successor);
    expect(cache.named("web")).toEqual([]);
    expect(cache.named("api")).toEqual([successor]);
    expect(cache.totals).toEqual({ entries: 1, gzipBytes: successor.gzip.length });
  });

  it("serves an entry until it is stale and not a moment longer", () => {
    const { cache, clock } = setUp();
    cache.put(entryFor(clock));
    clock.advance(30);
    expect(cache.named("web")).toHaveLength(1);
    clock.advance(0.001);
    expect(cache.named("web")).toEqual([]);
  });

  it("keeps the order of replicas, counting as people do", () => {
    const { cache, clock } = setUp();
    for (const replica of ["10", "2", "1"]) cache.put(entryFor(clock, { id: `docker:${replica}`, replica }));
    expect(cache.named("web").map((entry) => entry.replica)).toEqual(["1", "2", "10"]);
  });

  it("serves one job and instance once: of two containers the one that was started later", () => {
    const { cache, clock } = setUp();
    cache.put(entryFor(clock, { id: "docker:new", startedAt: 2 }));
    clock.advance(1);
    cache.put(entryFor(clock, { id: "docker:old", startedAt: 1 }));
    expect(cache.named("web").map((entry) => entry.id)).toEqual(["docker:new"]);
  });

  it("serves both of two whose job and replica only look alike when they are joined", () => {
    const { cache, clock } = setUp();
    cache.put(entryFor(clock, { id: "file:a", job: "db", replica: "eu.1" }));
    cache.put(entryFor(clock, { id: "file:b", job: "db.eu", replica: "1" }));
    expect(cache.fresh().map((entry) => entry.job)).toEqual(["db", "db.eu"]);
  });

  it("serves the older container while the newer one has nothing fresh", () => {
    const { cache, clock } = setUp();
    cache.put(entryFor(clock, { id: "docker:new", startedAt: 2 }));
    clock.advance(31);
    cache.put(entryFor(clock, { id: "docker:old", startedAt: 1 }));
    expect(cache.named("web").map((entry) => entry.id)).toEqual(["docker:old"]);
  });

  it("serves the fresher of two that started at the same time", () => {
    const { cache, clock } = setUp();
    cache.put(entryFor(clock, { id: "docker:a" }));
    clock.advance(1);
    cache.put(entryFor(clock, { id: "docker:b" }));
    expect(cache.named("web").map((entry) => entry.id)).toEqual(["docker:b"]);
  });

  it("saves what it is given and removes what is gone or stale from its store", () => {
    const { cache, clock, store } = setUp();
    cache.put(entryFor(clock, { id: "docker:a" }));
    clock.advance(20);
    cache.put(entryFor(clock, { id: "docker:b" }));
    cache.put(entryFor(clock, { id: "docker:c" }));
    cache.remove("docker:c");
    clock.advance(20);
    cache.dropStale();
    expect(store.saved).toEqual(["docker:a", "docker:b", "docker:c"]);
    expect(store.removed).toEqual(["docker:c", "docker:a"]);
    expect(cache.all().map((entry) => entry.id)).toEqual(["docker:b"]);
  });

  it("restores what is fresh and not there already, and drops what is stale", () => {
    const { cache, clock, store } = setUp();
    const stale = entryFor(clock, { id: "docker:stale" });
    clock.advance(31);
    const older = entryFor(clock, { id: "docker:a" });
    const newer = entryFor(clock, { id: "docker:a", text: "newer 1\n" });
    const other = entryFor(clock, { id: "docker:b", replica: "2" });
    cache.put(newer);
    expect(cache.restore([stale, older, other])).toBe(1);
    expect(cache.named("web")).toEqual([newer, other]);
    expect(store.removed).toEqual(["docker:stale"]);
  });
});
