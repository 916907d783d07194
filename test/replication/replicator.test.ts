import { describe, expect, it } from "vitest";
import { served, startProxy } from "./proxies.js";

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
    console.log(
      after.bytesIn - before.bytesIn,
      after.bytesOut - before.bytesOut,
      before.bytesIn,
      before.bytesOut,
    );
    expect(after.bytesIn + after.bytesOut - before.bytesIn - before.bytesOut).toBeLessThan(1000);
    const renewed = b.cache.all().find(({ id }) => id === scraped.id)!;
    expect(renewed.scrapedAt).toBeGreaterThan(scraped.scrapedAt);
    expect(renewed.scrapedAt).toBe(a.cache.get(scraped.id)?.scrapedAt);
    expect(a.entries.out).toBe(500);
  });
});
