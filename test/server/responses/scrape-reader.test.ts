import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Scrape } from "../../../src/model/scrape.js";
import { setUpServer, withoutReports } from "../../support/http-server.js";

const damaged = { id: "docker:2", replica: "2", gzip: Buffer.from("no gzip at all") };

describe("a damaged scrape", () => {
  it("is omitted from a merge, and listed by /targets", async () => {
    const { get, put } = await setUpServer();
    put({ text: "a 1\n" });
    put(damaged);
    put({ id: "docker:3", replica: "3", text: "a 3\n" });
    const { status, text } = await get("/web/metrics");
    expect(status).toBe(200);
    expect(text).toBe('a{instance="shop_web.1"} 1\na{instance="shop_web.3"} 3\n');
    const targets = await get("/targets");
    expect(targets.status).toBe(200);
    expect(JSON.parse(targets.text).mergeConflicts).toEqual([
      { instance: "shop_web.2", reason: "cached scrape cannot be inflated: incorrect header check" },
    ]);
  });

  it("is omitted from /federate", async () => {
    const { get, put } = await setUpServer();
    put({ text: "a 1\n" });
    put(damaged);
    put({ id: "docker:3", replica: "3", text: "a 3\n" });
    const { status, text } = await get("/federate");
    expect(status).toBe(200);
    expect(withoutReports(text).match(/instance="[^"]*"/g)).toEqual([
      'instance="shop_web.1"',
      'instance="shop_web.3"',
    ]);
  });

  it("is 503 with the reason if it is the only one, and breaks no other response", async () => {
    const { get, node } = await setUpServer();
    node("n2").put(damaged);
    expect(await get("/web/metrics")).toMatchObject({
      status: 503,
      text: "nothing to serve until the next scrape: shop_web.2: cached scrape cannot be inflated: incorrect header check\n",
    });
    expect((await get("/targets")).status).toBe(200);
    expect((await get("/federate")).status).toBe(200);
  });

  it("is replaced by the next scrape", async () => {
    const { get, put } = await setUpServer();
    put(damaged);
    await get("/web/metrics");
    put({ id: "docker:2", replica: "2", text: "a 2\n" });
    expect(await get("/web/metrics")).toMatchObject({ status: 200, text: "a 2\n" });
    expect(JSON.parse((await get("/targets")).text).mergeConflicts).toEqual([]);
  });
});

const long = `${"# a comment\n".repeat(120_000)}a 2\n`;
const cut = (gzip: Buffer) => Buffer.concat([gzip.subarray(0, -9), gzip.subarray(-8)]);

/** Scrapes that do not match their metadata. */
const faults: [what: string, reason: RegExp, fields: Partial<Scrape> & { text?: string }][] = [
  ["a web page", /not a valid exposition: line 1/, { text: "<html>\n" }],
  ["a text that ends in the middle of a sample", /not a valid exposition: line 2/, { text: 'a 1\nb{c="d' }],
  ["text for OpenMetrics", /# EOF/, { contentType: "application/openmetrics-text; version=1.0.0" }],
  ["more samples than stated", /does not have its stated number of samples/, { text: "a 1\nb 1\n" }],
  ["less than stated", /does not have its stated size/, { size: 6 }],
  ["more than stated", /./, { size: 3 }],
  [
    "bytes after the gzip stream",
    /does not have its stated size/,
    { gzip: Buffer.concat([gzipSync("a 1\n"), Buffer.alloc(9)]), size: 4 },
  ],
  ["a truncated gzip stream", /./, { gzip: cut(gzipSync("a 1\n")), size: 4 }],
  ["a web page of megabytes", /not a valid exposition/, { text: `${long}<html>\n` }],
  ["megabytes more than stated", /inflates to more than its stated size/, { text: long, size: 1_100_000 }],
];

describe.each(faults)("a scrape from another node that is %s", (_, reason, fields) => {
  it.each(["gzip", "identity"])("is not served (%s), and listed with the reason", async (encoding) => {
    const { get, node } = await setUpServer();
    node("n2").put(fields);
    const headers = { "accept-encoding": encoding };
    for (let time = 0; time < 2; time++) {
      const { status, text } = await get("/web/metrics", headers);
      expect(status).toBe(503);
      expect(text).toMatch(reason);
      expect(text).toContain("shop_web.1");
    }
    expect(JSON.parse((await get("/targets")).text).mergeConflicts).toEqual([
      { instance: "shop_web.1", reason: expect.stringMatching(reason) },
    ]);
  });

  it("does not affect other scrapes", async () => {
    const { get, put, node } = await setUpServer();
    node("n2").put({ id: "docker:2", replica: "2", ...fields });
    put({ text: "good 1\n" });
    expect((await get("/web/metrics")).text).toBe('good{instance="shop_web.1"} 1\n');
    expect(withoutReports((await get("/federate")).text)).toMatch(
      /^good\{job="shop_web",instance="shop_web\.1"\} 1 \d+\n$/,
    );
  });
});

describe("a valid scrape from another node", () => {
  it.each([
    ["small", "a 2\n"],
    ["large", long],
  ])("is served byte for byte, compressed and plain (%s)", async (_, text) => {
    const { get, node } = await setUpServer();
    const { gzip } = node("n2").put({ text });
    for (let time = 0; time < 2; time++) {
      expect((await get("/web/metrics", { "accept-encoding": "gzip" })).body.equals(gzip)).toBe(true);
      expect((await get("/web/metrics")).text).toBe(text);
    }
  });
});
