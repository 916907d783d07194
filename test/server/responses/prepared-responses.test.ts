import { setImmediate as nextTurn } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { MemoryBudget } from "../../../src/memory-budget.js";
import type { Scrape } from "../../../src/model/scrape.js";
import { PreparedResponses } from "../../../src/server/responses/prepared-responses.js";
import { manualClock } from "../../support/manual-clock.js";
import { scrapeFor } from "../../support/scrapes.js";

const kilobyte = 1024;
const clock = manualClock();
const openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** A scrape whose text is as long as stated. */
function scrapeOf(replica: string, bytes: number, fields: Partial<Scrape> = {}): Scrape {
  const text = `${"# ".padEnd(bytes - 5, "x")}\na 1\n`;
  return scrapeFor(clock, { id: `docker:${replica}`, replica, text, ...fields });
}

function setUp({ maxBytes = 100 * kilobyte, onRead = (_scrape: Scrape): void => undefined } = {}) {
  const memory = new MemoryBudget(maxBytes);
  let holds = (_scrape: Scrape) => true;
  const cache = {
    holds: (scrape: Scrape) => holds(scrape),
    wasScraped: (scrape: Scrape) => {
      onRead(scrape);
      return true;
    },
  };
  const responses = new PreparedResponses(cache, memory);
  const replaced = new Set<Scrape>();
  holds = (scrape) => !replaced.has(scrape);
  return { memory, responses, replaced };
}

describe("prepared responses", () => {
  it("are prepared once for simultaneous requests and while their scrapes are unchanged", async () => {
    const { responses } = setUp();
    const scrapes = [scrapeOf("1", kilobyte), scrapeOf("2", kilobyte)];
    const [first, second] = await Promise.all([
      responses.get(scrapes, "text"),
      responses.get(scrapes, "text"),
    ]);
    expect(second).toBe(first);
    const renewed = scrapes.map((scrape) => ({ ...scrape, measuredAt: scrape.measuredAt + 1000 }));
    expect(await responses.get(renewed, "text")).toBe(first);
    expect(await responses.get([scrapeOf("1", kilobyte), scrapes[1]!], "text")).not.toBe(first);
  });

  it("count in the memory budget, with the plain body until a client has received gzip", async () => {
    const { responses, memory } = setUp();
    const response = await responses.get([scrapeOf("1", 50 * kilobyte)], "text");
    expect(memory.used).toBe(50 * kilobyte);
    const plain = await response.body(false);
    const compressed = await response.body(true);
    expect(memory.used).toBe(compressed.length);
    expect(gunzipSync(compressed).equals(plain)).toBe(true);
    const [one, other] = await Promise.all([response.body(false), response.body(false)]);
    expect(one.equals(plain)).toBe(true);
    expect(other).toBe(one);
    expect(memory.used).toBe(compressed.length);
  });

  it("are evicted least recently used, by bytes", async () => {
    const { responses, memory } = setUp();
    const scrapes = ["1", "2", "3", "4"].map((replica) => [scrapeOf(replica, 30 * kilobyte)]);
    const get = (index: number) => responses.get(scrapes[index]!, "text");
    const kept = [await get(0), await get(1), await get(2)];
    expect(await get(0)).toBe(kept[0]);
    await get(3);
    expect(memory.used).toBe(90 * kilobyte);
    expect(await get(0)).toBe(kept[0]);
    expect(await get(2)).toBe(kept[2]);
    expect(await get(1)).not.toBe(kept[1]);
  });

  it("are removed if other users of the budget need memory", async () => {
    const { responses, memory } = setUp();
    for (const replica of ["1", "2", "3"]) await responses.get([scrapeOf(replica, 30 * kilobyte)], "text");
    expect(memory.take(35 * kilobyte)).toBe(true);
    expect(memory.used).toBe(95 * kilobyte);
    expect(memory.take(65 * kilobyte)).toBe(true);
    expect(memory.used).toBe(100 * kilobyte);
  });

  it("do not inflate the whole cache for a client without gzip", async () => {
    const { responses, memory } = setUp();
    for (let replica = 0; replica < 1000; replica++) {
      const response = await responses.get([scrapeOf(String(replica), 10 * kilobyte)], "text");
      expect((await response.body(false)).length).toBe(10 * kilobyte);
      expect(memory.used).toBeLessThanOrEqual(memory.maxBytes);
    }
  });

  it("that are too large to keep are served, and kept once compressed", async () => {
    const { responses, memory } = setUp();
    const small = await responses.get([scrapeOf("1", kilobyte)], "text");
    const scrapes = [scrapeOf("2", 200 * kilobyte)];
    const large = await responses.get(scrapes, "text");
    expect((await large.body(false)).length).toBe(200 * kilobyte);
    expect(memory.used).toBe(kilobyte);
    expect(await responses.get([scrapeOf("1", kilobyte)], "text")).not.toBe(small);
    const { length } = await large.body(true);
    expect(memory.used).toBe(kilobyte + length);
    expect(await responses.get(scrapes, "text")).toBe(large);
  });

  it("are dropped when the cache has replaced their scrapes", async () => {
    const { responses, memory, replaced } = setUp();
    const scrapes = [scrapeOf("1", kilobyte), scrapeOf("2", kilobyte)];
    await responses.get(scrapes, "text");
    replaced.add(scrapes[1]!);
    for (const replica of ["3", "4", "5"]) await responses.get([scrapeOf(replica, kilobyte)], "text");
    expect(memory.used).toBe(3 * kilobyte);
  });

  it("that fail do not remove a newer response with the same key", async () => {
    const { responses } = setUp();
    const text = ["1", "2"].map((replica) => scrapeOf(replica, kilobyte));
    const om = text.map(({ replica }) =>
      scrapeFor(clock, { id: `docker:${replica}`, replica, contentType: openMetrics, text: "a 1\n# EOF\n" }),
    );
    // OpenMetrics cannot be made of text.
    const failed = responses.get(text, "openmetrics");
    const newer = responses.get(om, "openmetrics");
    await expect(failed).rejects.toThrow(RangeError);
    expect(await responses.get(om, "openmetrics")).toBe(await newer);
  });

  it("list what they omit, even when they were too large to keep", async () => {
    const { responses, memory, replaced } = setUp({ maxBytes: 1 });
    const scrapes = ["counter", "gauge"].map((type, index) =>
      scrapeFor(clock, { id: `docker:${index}`, replica: `${index}`, text: `# TYPE a ${type}\na 1\n` }),
    );
    await responses.get(scrapes, "text");
    expect(memory.used).toBe(0);
    expect(responses.omissions()).toMatchObject([{ instance: "shop_web.1", family: "a" }]);
    replaced.add(scrapes[0]!);
    expect(responses.omissions()).toEqual([]);
  });
});

describe("a merge", () => {
  /** Scrapes that take about a millisecond each to inflate. */
  const largeScrapes = (prefix: string) =>
    Array.from({ length: 40 }, (_, index) => scrapeOf(`${prefix}${index}`, 900 * kilobyte));

  it("yields to other work between its scrapes", async () => {
    let turn = 0;
    const reads = new Map<number, number>();
    const { responses } = setUp({
      onRead: () => {
        reads.set(turn, (reads.get(turn) ?? 0) + 1);
      },
    });
    let done = false;
    const merged = responses.get(largeScrapes("a"), "text").finally(() => {
      done = true;
    });
    for (; !done; turn++) await nextTurn();
    await merged;
    expect([...reads.values()].reduce((sum, count) => sum + count, 0)).toBe(40);
    expect(Math.max(...reads.values())).toBeLessThan(20);
  });

  it("reads no scrape before one of the two slots is free", async () => {
    const started: string[] = [];
    const { responses } = setUp({
      onRead: ({ replica }) => {
        const merge = replica.slice(0, 1);
        if (!started.includes(merge)) started.push(merge);
      },
    });
    const finished: string[] = [];
    const merges = ["a", "b", "c"].map(async (merge) => {
      await responses.get(largeScrapes(merge), "text");
      finished.push(merge);
      if (finished.length === 1) expect(started).not.toContain("c");
    });
    await Promise.all(merges);
    expect(started).toEqual(["a", "b", "c"]);
  });
});
