import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { loadIdentity, nextEpoch, saveIdentity } from "../../src/cache/epoch-file.js";
import { silentLogger } from "../../src/logging.js";
import { maxEpoch } from "../../src/model/version.js";
import { entryFor, manualClock } from "../support/entries.js";
import { tempFolder } from "../support/temp-folder.js";

function setUp() {
  const clock = manualClock();
  const cache = new Cache({ clock, staleAfter: 30 });
  cache.holdings.publish({ origin: "node1", epoch: 7, travels: ({ scope }) => scope === "replicated" });
  const put = (id: string, text: string, fields = {}) =>
    cache.put(entryFor(clock, { id, text, replica: id, ...fields }));
  return { clock, cache, put };
}

describe("a node that publishes", () => {
  it("numbers what is new, and what is gone", () => {
    const { cache, put } = setUp();
    put("1", "x 1\n");
    put("2", "x 1\n");
    put("1", "x 2\n");
    expect(cache.holdings.entriesOf("node1").map(({ id, sequence }) => [id, sequence])).toEqual([
      ["2", 2],
      ["1", 3],
    ]);
    cache.remove("2");
    expect(cache.holdings.get("node1")).toMatchObject({ epoch: 7, sequence: 4, size: 1 });
  });

  it("does not publish what stays at home", () => {
    const { cache, put } = setUp();
    put("1", "x 1\n", { scope: "global" });
    cache.remove("1");
    expect(cache.holdings.get("node1")).toMatchObject({ sequence: 0 });
    expect(cache.holdings.entriesOf("node1")).toEqual([]);
  });

  it("renews all that said the same with one number and one time, that of the earliest scrape", () => {
    const { cache, clock, put } = setUp();
    for (const id of ["1", "2", "3"]) put(id, "x 1\n");
    clock.advance(10);
    const at = clock.now();
    for (const id of ["1", "2"]) {
      put(id, "x 1\n");
      clock.advance(0.2);
    }
    put("3", "x 2\n");
    expect(cache.get("1")?.scrapedAt).toBeLessThan(at);
    cache.holdings.confirm();
    expect(["1", "2"].map((id) => cache.get(id))).toMatchObject([
      { scrapedAt: at, sequence: 1, renewed: 5 },
      { scrapedAt: at, sequence: 2, renewed: 5 },
    ]);
    expect(cache.get("3")).toMatchObject({ sequence: 4, renewed: 4 });
  });

  it("never sets a time back, also where one changed between two cycles", () => {
    const { cache, clock, put } = setUp();
    put("1", "x 1\n");
    put("2", "x 1\n");
    clock.advance(1);
    put("1", "x 1\n");
    clock.advance(1);
    put("2", "x 2\n");
    clock.advance(1);
    put("2", "x 2\n");
    cache.holdings.confirm();
    expect(cache.get("2")?.scrapedAt).toBe(clock.now() - 1000);
  });

  it("renews what says the same also where the wall clock was set back meanwhile", () => {
    const { cache, clock, put } = setUp();
    put("1", "x 1\n");
    clock.advance(10);
    const scrapedAt = clock.now() - 7_200_000;
    put("1", "x 1\n", { scrapedAt });
    cache.holdings.confirm();
    expect(cache.get("1")).toMatchObject({ scrapedAt, measuredAt: clock.monotonic(), sequence: 1 });
  });

  it("serves at once what says the same again after it was stale", () => {
    const { cache, clock, put } = setUp();
    put("1", "x 1\n");
    clock.advance(31);
    put("1", "x 1\n");
    expect(cache.named("web")).toMatchObject([{ measuredAt: clock.monotonic(), sequence: 2 }]);
  });

  it("keeps what was scraped in time, though it becomes stale before that is told", () => {
    const { cache, clock, put } = setUp();
    put("1", "x 1\n");
    clock.advance(29.9);
    put("1", "x 1\n");
    clock.advance(0.2);
    cache.dropStale();
    expect(cache.named("web")).toHaveLength(1);
  });

  it("publishes anew what an earlier run left, and keeps what it has of others", () => {
    const clock = manualClock();
    const cache = new Cache({ clock, staleAfter: 30 });
    const own = entryFor(clock, { id: "1", epoch: 3, sequence: 40 });
    const other = entryFor(clock, { id: "1", origin: "node2", epoch: 5, sequence: 9 });
    expect(cache.restore([own, other], "node1")).toBe(2);
    cache.holdings.publish({ origin: "node1", epoch: 7, travels: () => true });
    expect(cache.get("1")).toMatchObject({ origin: "node1", epoch: 7, sequence: 1 });
    expect(cache.own()).toHaveLength(1);
    expect(cache.all()).toHaveLength(2);
    expect(cache.holdings.versionOf("node2")).toEqual({ epoch: 0, sequence: 0 });
  });

  it("forgets an origin that has been empty and silent for twice as long as entries are fresh", () => {
    const { cache, clock } = setUp();
    cache.holdings.reach("node2", { epoch: 1, sequence: 1 }, clock.monotonic());
    expect(cache.holdings.list().map(({ origin }) => origin)).toEqual(["node1", "node2"]);
    clock.advance(61);
    expect(cache.holdings.list()).toEqual([]);
    expect(cache.holdings.get("node2")).toBeUndefined();
    expect(cache.holdings.own).toBe("node1");
  });
});

describe("the epoch of a node", () => {
  const clock = manualClock();

  it("is the time of the start, and above any earlier one where the clock was set back", async () => {
    const folder = tempFolder();
    expect(nextEpoch(await loadIdentity(folder), clock)).toBe(clock.now());
    await saveIdentity(folder, { origin: "node1", epoch: clock.now() + 5000 }, silentLogger);
    expect(nextEpoch(await loadIdentity(folder), clock)).toBe(clock.now() + 5001);
  });

  it("is one that others take, also where the last one was the highest", () => {
    expect(nextEpoch({ origin: "node1", epoch: maxEpoch }, clock)).toBe(clock.now());
  });

  it("is that of a first start where the file is damaged, and a disk that fails costs nothing else", async () => {
    const folder = tempFolder();
    writeFileSync(join(folder, "origin.json"), '{"epoch":');
    expect(await loadIdentity(folder)).toBeUndefined();
    const taken = join(folder, "file");
    writeFileSync(taken, "");
    await saveIdentity(join(taken, "cache"), { origin: "node1", epoch: 1 }, silentLogger);
  });
});
