import { describe, expect, it } from "vitest";
import { setUpServer, withoutReports } from "../../support/http-server.js";

/** All lines differ, so that no memoised line helps with another. */
const hostile = Array.from({ length: 20_000 }, (_, index) => `a{l${index}="v"} 1\n`).join("");
const metadata = "# HELP a Honest.\n# TYPE a gauge\n";

describe("a merge that takes too much CPU time", () => {
  it("is 503 with the paths of its replicas, is not tried again, and affects no other service", async () => {
    const { get, put } = await setUpServer({ cpuLimits: { merge: 5, source: 1000 } });
    for (const replica of ["1", "2"]) put({ id: `docker:${replica}`, replica, text: hostile });
    for (const replica of ["1", "2"])
      put({ id: `docker:db${replica}`, job: "db", names: ["db"], replica, text: "b 1\n" });
    const { status, text } = await get("/web/metrics");
    expect(status).toBe(503);
    expect(text).toMatch(/CPU time.*\n\/shop_web\/1\/metrics\n\/shop_web\/2\/metrics\n$/);
    const begun = process.cpuUsage();
    for (let time = 0; time < 20; time++) expect((await get("/web/metrics")).status).toBe(503);
    expect(process.cpuUsage(begun).user / 1000).toBeLessThan(400);
    expect((await get("/db/metrics")).status).toBe(200);
    expect((await get("/web/1/metrics")).status).toBe(200);
    put({ id: "docker:1", replica: "1", text: "a 1\n" });
    put({ id: "docker:2", replica: "2", text: "a 1\n" });
    expect((await get("/web/metrics")).status).toBe(200);
  });
});

describe("a source of /federate that takes too much CPU time", () => {
  it("is omitted and listed until the next scrape; the others keep their metadata", async () => {
    const { get, put } = await setUpServer({ cpuLimits: { merge: 5000, source: 20 } });
    put({ text: metadata + hostile });
    put({ id: "docker:2", replica: "2", text: `${metadata}a 2\n` });
    for (let time = 0; time < 2; time++) {
      const { status, text } = await get("/federate");
      expect(status).toBe(200);
      expect(withoutReports(text)).toMatch(
        /^# HELP a Honest\.\n# TYPE a gauge\na\{job="shop_web",instance="shop_web\.2"\} 2 \d+\n$/,
      );
    }
    expect(JSON.parse((await get("/targets")).text).mergeConflicts).toEqual([
      { instance: "shop_web.1", reason: expect.stringMatching(/CPU time/) },
    ]);
    put({ text: "c 1\n" });
    expect((await get("/federate")).text).toMatch(/^c\{/m);
    expect(JSON.parse((await get("/targets")).text).mergeConflicts).toEqual([]);
  });
});

describe("scrapes that need more memory than there is", () => {
  it("are 503 with the paths of their replicas", async () => {
    const { get, put } = await setUpServer({ responseBytes: 1024 * 1024 });
    for (const replica of ["1", "2"]) put({ id: `docker:${replica}`, replica, text: hostile });
    const { status, headers, text } = await get("/web/metrics");
    expect(status).toBe(503);
    expect(headers["retry-after"]).toBeUndefined();
    expect(text).toMatch(/^too large to merge.*\n\/shop_web\/1\/metrics\n/);
    expect((await get("/web/2/metrics")).text).toBe(hostile);
  });
});
