import { setImmediate as nextTurn } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { MemoryBudget } from "../../../src/memory-budget.js";
import type { Scrape } from "../../../src/model/scrape.js";
import { Scheduler } from "../../../src/scheduler.js";
import { PreparedResponses, type ResponseRequest } from "../../../src/server/responses/prepared-responses.js";
import { UnavailableError } from "../../../src/server/responses/work-queue.js";
import { manualClock } from "../../support/manual-clock.js";
import { scrapeFor } from "../../support/scrapes.js";

const kilobyte = 1024;
const megabyte = 1024 * kilobyte;
const clock = manualClock();
const openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** A scrape whose text is as long as stated. */
function scrapeOf(replica: string, bytes: number, fields: Partial<Scrape> = {}): Scrape {
  const text = `${"# ".padEnd(bytes - 5, "x")}\na 1\n`;
  return scrapeFor(clock, { id: `docker:${replica}`, replica, text, ...fields });
}

function setUp({ maxBytes = 8 * megabyte, onRead = (_scrape: Scrape): void => undefined } = {}) {
  const memory = new MemoryBudget(maxBytes);
  const replaced = new Set<Scrape>();
  const cache = {
    has: (scrape: Scrape) => !replaced.has(scrape),
    holds: (scrape: Scrape) => !replaced.has(scrape),
    wasScraped: (scrape: Scrape) => {
      onRead(scrape);
      return true;
    },
  };
  const responses = new PreparedResponses(cache, memory, new Scheduler());
  const get = (
    scrapes: readonly Scrape[],
    kind: ResponseRequest["kind"] = "text",
    client = new AbortController().signal,
  ) => {
    const about = { name: scrapes[0]!.job, client };
    if (kind !== "federate")
      return responses.get({ ...about, kind, parts: scrapes.map((scrape) => ({ scrape })) });
    const attemptOf = (scrape: Scrape) => ({
      ...scrape,
      scrape,
      up: true,
      isReported: true,
      isHistory: false,
    });
    return responses.get({
      ...about,
      kind,
      into: "text" as const,
      variant: "",
      parts: scrapes.map(attemptOf),
    });
  };
  return { memory, responses, get, replaced };
}

describe("prepared responses", () => {
  it("are prepared once for simultaneous requests and while their scrapes are unchanged", async () => {
    const { get } = setUp();
    const scrapes = [scrapeOf("1", kilobyte), scrapeOf("2", kilobyte)];
    const [first, second] = await Promise.all([get(scrapes), get(scrapes)]);
    expect(second).toBe(first);
    const renewed = scrapes.map((scrape) => ({ ...scrape, measuredAt: scrape.measuredAt + 1000 }));
    expect(await get(renewed)).toBe(first);
    expect(await get([scrapeOf("1", kilobyte), scrapes[1]!])).not.toBe(first);
  });

  it("for /federate are shared by all clients, until a scrape or its time changes", async () => {
    const { get, memory } = setUp();
    const scrapes = [scrapeOf("1", 100 * kilobyte), scrapeOf("2", 100 * kilobyte)];
    const all = await Promise.all(Array.from({ length: 200 }, () => get(scrapes, "federate")));
    expect(new Set(all).size).toBe(1);
    expect(memory.used).toBe(all[0]!.gzip.length);
    const later = [scrapes[0]!, { ...scrapes[1]!, scrapedAt: scrapes[1]!.scrapedAt + 1000 }];
    const newer = await get(later, "federate");
    expect(newer).not.toBe(all[0]);
    expect(memory.used).toBe(newer.gzip.length);
  });

  it("are one gzip stream that states its size", async () => {
    const { get } = setUp({ maxBytes: 64 * megabyte });
    for (const kind of ["text", "federate"] as const) {
      const { gzip, size } = await get([scrapeOf("1", megabyte), scrapeOf("2", megabyte)], kind);
      expect(gunzipSync(gzip)).toHaveLength(size);
    }
  });

  it("are evicted least recently used, by bytes", async () => {
    const { get, memory } = setUp();
    const scrapes = ["1", "2", "3"].map((replica) => [
      scrapeOf(replica, kilobyte),
      scrapeOf(`${replica}b`, kilobyte),
    ]);
    const kept = [];
    for (const some of scrapes) kept.push(await get(some));
    expect(await get(scrapes[0]!)).toBe(kept[0]);
    expect(memory.take(memory.maxBytes - memory.used + 1)).toBe(true);
    expect(await get(scrapes[0]!)).toBe(kept[0]);
    memory.give(memory.used - kept[0]!.gzip.length - kept[2]!.gzip.length);
    expect(await get(scrapes[2]!)).toBe(kept[2]);
    expect(await get(scrapes[1]!)).not.toBe(kept[1]);
  });

  it("are not prepared if they need more memory than there is", async () => {
    const { get, responses } = setUp();
    const scrapes = ["1", "2"].map((replica) => scrapeOf(replica, megabyte));
    expect(responses.canMerge(scrapes)).toBe(false);
    await expect(get(scrapes)).rejects.toThrow(UnavailableError);
  });

  it("for /federate omit and list a scrape that needs more memory than there is", async () => {
    const { get, responses } = setUp();
    const { sources } = await get([scrapeOf("1", 2 * megabyte), scrapeOf("2", kilobyte)], "federate");
    expect(sources).toBe(1);
    expect(responses.omissions()).toMatchObject([{ instance: "shop_web.1", reason: /too large/ }]);
  });

  it("are dropped when the cache has replaced their scrapes", async () => {
    const { get, memory, replaced } = setUp();
    const scrapes = [scrapeOf("1", kilobyte), scrapeOf("2", kilobyte)];
    await get(scrapes);
    replaced.add(scrapes[1]!);
    const lengths = [];
    for (const replica of ["3", "4", "5"]) {
      const some = [scrapeOf(replica, kilobyte), scrapeOf(`${replica}b`, kilobyte)];
      lengths.push((await get(some)).gzip.length);
    }
    expect(memory.used).toBe(lengths.reduce((sum, length) => sum + length, 0));
  });

  it("that fail do not remove a newer response with the same key", async () => {
    const { get } = setUp();
    const text = ["1", "2"].map((replica) => scrapeOf(replica, kilobyte));
    const om = text.map(({ replica }) =>
      scrapeFor(clock, { id: `docker:${replica}`, replica, contentType: openMetrics, text: "a 1\n# EOF\n" }),
    );
    // OpenMetrics cannot be made of text.
    const failed = get(text, "openmetrics");
    const newer = get(om, "openmetrics");
    await expect(failed).rejects.toThrow(RangeError);
    expect(await get(om, "openmetrics")).toBe(await newer);
  });

  it("list what they omit, even when they are no longer kept", async () => {
    const { get, responses, memory, replaced } = setUp();
    const scrapes = ["counter", "gauge"].map((type, index) =>
      scrapeFor(clock, { id: `docker:${index}`, replica: `${index}`, text: `# TYPE a ${type}\na 1\n` }),
    );
    await get(scrapes);
    memory.take(memory.maxBytes);
    expect(responses.omissions()).toMatchObject([{ instance: "shop_web.1", family: "a" }]);
    replaced.add(scrapes[0]!);
    expect(responses.omissions()).toEqual([]);
  });

  it("stop being prepared when the last client has disconnected", async () => {
    const { get, memory } = setUp({ maxBytes: 256 * megabyte });
    const clients = [new AbortController(), new AbortController()];
    const scrapes = ["1", "2"].map((replica) => scrapeOf(replica, 5 * megabyte));
    const requests = clients.map(({ signal }) => get(scrapes, "text", signal));
    await nextTurn();
    expect(memory.used).toBeGreaterThan(20 * megabyte);
    for (const client of clients) client.abort();
    for (const request of requests) await expect(request).rejects.toThrow(/abort/);
    expect(memory.used).toBe(0);
  });
});

describe("a merge", () => {
  /** Scrapes that take about a millisecond each to inflate. */
  const largeScrapes = (prefix: string) =>
    Array.from({ length: 40 }, (_, index) => scrapeOf(`${prefix}${index}`, 900 * kilobyte));

  it("yields to other work between its scrapes", async () => {
    let turn = 0;
    const reads = new Map<number, number>();
    const { get } = setUp({
      maxBytes: 512 * megabyte,
      onRead: () => {
        reads.set(turn, (reads.get(turn) ?? 0) + 1);
      },
    });
    let done = false;
    const merged = get(largeScrapes("a")).finally(() => {
      done = true;
    });
    for (; !done; turn++) await nextTurn();
    await merged;
    expect([...reads.values()].reduce((sum, count) => sum + count, 0)).toBe(40);
    expect(Math.max(...reads.values())).toBeLessThan(20);
  });
});
