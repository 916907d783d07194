import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { targetKeyOf } from "../../../src/archive/target-key.js";
import { setUpServer, statusOf } from "../../support/http-server.js";

const openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";

describe("/<name>/metrics", () => {
  it("serves the exposition byte for byte", async () => {
    const { get, put, clock } = await setUpServer();
    put({ text: "# a comment\nup   1\n\n" });
    clock.advance(7.9);
    const { status, headers, text } = await get("/web/metrics");
    expect(status).toBe(200);
    expect(text).toBe("# a comment\nup   1\n\n");
    expect(headers).toMatchObject({
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
      age: "7",
      vary: "Accept, Accept-Encoding",
      "x-content-type-options": "nosniff",
    });
    expect(headers["content-encoding"]).toBeUndefined();
  });

  it.each([
    ["", ""],
    ["# HELP up Nothing yet.\n", ""],
    ["# HELP up Nothing yet.\n", "n2"],
    ["", "n2"],
  ])("serves a scrape without samples: %j of node %j", async (text, origin) => {
    const { get, put, node } = await setUpServer();
    if (origin === "") put({ text, samples: 0 });
    else node(origin).put({ text, samples: 0 });
    for (const encoding of ["identity", "gzip"]) {
      const { status, body, headers } = await get("/web/metrics", { "accept-encoding": encoding });
      expect(status).toBe(200);
      expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
      expect((encoding === "gzip" ? gunzipSync(body) : body).toString()).toBe(text);
    }
    expect((await get("/web/metrics", {}, "HEAD")).headers["content-length"]).toBe(String(text.length));
    expect(JSON.parse((await get("/targets")).text).mergeConflicts).toEqual([]);
  });

  it("merges scrapes without samples", async () => {
    const { get, put, node } = await setUpServer();
    put({ text: "", samples: 0 });
    node("n2").put({ id: "docker:2", replica: "2", text: "# only a comment\n", samples: 0 });
    expect(await get("/web/metrics")).toMatchObject({ status: 200, text: "" });
    node("n3").put({ id: "docker:3", replica: "3", text: "a 1\n" });
    expect(await get("/web/metrics")).toMatchObject({
      status: 200,
      text: 'a{instance="shop_web.3"} 1\n',
    });
    expect(await get("/web/1/metrics")).toMatchObject({ status: 200, text: "" });
  });

  it("merges and converts OpenMetrics without samples", async () => {
    const { get, put } = await setUpServer();
    put({ text: "# EOF\n", samples: 0, contentType: openMetrics });
    expect(await get("/web/metrics", { accept: openMetrics })).toMatchObject({
      status: 200,
      text: "# EOF\n",
    });
    expect(await get("/web/metrics", { accept: "text/plain" })).toMatchObject({ status: 200, text: "" });
    put({ id: "docker:2", replica: "2", text: "# EOF\n", samples: 0, contentType: openMetrics });
    expect(await get("/web/metrics", { accept: openMetrics })).toMatchObject({
      status: 200,
      text: "# EOF\n",
    });
  });

  it("sends the cached gzip bytes to clients that accept gzip", async () => {
    const { get, put } = await setUpServer();
    const scrape = put();
    const { headers, body } = await get("/shop_web/metrics", { "accept-encoding": "gzip, deflate" });
    expect(headers["content-encoding"]).toBe("gzip");
    expect(body.equals(scrape.gzip)).toBe(true);
  });

  it.each([
    ["gzip;q=0", false],
    ["identity", false],
    ["*", true],
    ["*;q=0", false],
    ["br, gzip;q=0.5", true],
    ["gzip;q=0, *", false],
    ["GZIP", true],
  ])("with Accept-Encoding: %s sends gzip: %s", async (accepted, gzip) => {
    const { get, put } = await setUpServer();
    put();
    const { headers, body, text } = await get("/web/metrics", { "accept-encoding": accepted });
    expect(headers["content-encoding"]).toBe(gzip ? "gzip" : undefined);
    expect(gzip ? gunzipSync(body).toString() : text).toBe("up 1\n");
  });

  it("responds to HEAD as to GET, without the body", async () => {
    const { get, put } = await setUpServer();
    put();
    const { status, headers, body } = await get("/web/metrics", {}, "HEAD");
    expect(status).toBe(200);
    expect(headers["content-length"]).toBe("5");
    expect(body).toHaveLength(0);
  });

  it("keeps the content type of the target", async () => {
    const { get, put } = await setUpServer();
    const contentType = "application/openmetrics-text;version=0.0.1";
    put({ contentType });
    expect((await get("/web/metrics", { accept: openMetrics })).headers["content-type"]).toBe(contentType);
  });

  it("is 503 with the reason if a known target has no fresh metrics", async () => {
    const { get, put, clock } = await setUpServer({
      targets: [statusOf({ state: "down", reason: "connection refused", lastSuccess: Date.UTC(2026, 0, 1) })],
    });
    put();
    clock.advance(31);
    const { status, text } = await get("/web/metrics");
    expect(status).toBe(503);
    expect(text).toBe(
      'no fresh metrics for "web": down: connection refused (last successful scrape 31 s ago)\n',
    );
  });

  it("is 503 before the first scrape", async () => {
    const { get } = await setUpServer({ targets: [statusOf({ state: "pending" })] });
    expect(await get("/web/metrics")).toMatchObject({
      status: 503,
      text: 'no fresh metrics for "web": not scraped yet\n',
    });
  });

  it("is 404 with similar names for an unknown name", async () => {
    const { get, put } = await setUpServer({ targets: [statusOf({}, { names: ["webshop"] })] });
    put();
    expect(await get("/wbe/metrics")).toMatchObject({
      status: 404,
      text: 'unknown name: "wbe"; similar names: web\n',
    });
    expect((await get("/shop/metrics")).text).toMatch(/similar names: shop_web, webshop\n$/);
    expect((await get("/database/metrics")).text).toBe(
      'unknown name: "database"; see /targets for known names\n',
    );
  });

  it("quotes an unusual name on one line, shortened", async () => {
    const { get } = await setUpServer();
    const { status, text } = await get(`/%0aup%201%0a${"x".repeat(5000)}/metrics`);
    expect(status).toBe(404);
    expect(text.split("\n")).toHaveLength(2);
    expect(text.length).toBeLessThan(500);
  });

  it("finds a name with a slash by its encoded form", async () => {
    const { get, put } = await setUpServer();
    put({ names: ["team/app"] });
    expect((await get("/team%2Fapp/metrics")).status).toBe(200);
  });
});

describe("/<name>/<replica>/metrics", () => {
  it("serves one replica", async () => {
    const { get, put } = await setUpServer();
    put({ text: "one 1\n" });
    put({ id: "docker:2", replica: "2", text: "two 2\n" });
    expect((await get("/web/2/metrics")).text).toBe("two 2\n");
    expect((await get("/shop_web/1/metrics")).text).toBe("one 1\n");
  });

  it("distinguishes two stacks with the same short name by the full name", async () => {
    const { get, put } = await setUpServer();
    put({ text: "shop 1\n" });
    put({ id: "docker:2", job: "blog_web", names: ["web", "blog_web"], text: "blog 1\n" });
    expect((await get("/web/1/metrics")).text).toBe(
      'blog{instance="blog_web.1"} 1\nshop{instance="shop_web.1"} 1\n',
    );
    expect((await get("/blog_web/1/metrics")).text).toBe("blog 1\n");
  });

  it("is 404 with the known replicas for an unknown one", async () => {
    const { get, put } = await setUpServer({ targets: [statusOf({ state: "pending" }, { replica: "2" })] });
    put();
    expect(await get("/web/9/metrics")).toMatchObject({
      status: 404,
      text: 'unknown replica: "web", replica "9"; known replicas: 1, 2\n',
    });
    expect((await get("/web/2/metrics")).status).toBe(503);
  });
});

describe("/<name>/metrics with several sources", () => {
  it("merges them, each sample with its instance, in the order of the replicas", async () => {
    const { get, put, clock } = await setUpServer();
    put({ id: "docker:10", replica: "10", text: "# HELP up Is it?\n# TYPE up gauge\nup 10\n" });
    clock.advance(3);
    put({ id: "docker:2", replica: "2", text: '# TYPE up gauge\nup{a="b"} 2\n' });
    const { status, headers, text } = await get("/web/metrics");
    expect(status).toBe(200);
    expect(text).toBe(
      '# HELP up Is it?\n# TYPE up gauge\nup{instance="shop_web.2",a="b"} 2\nup{instance="shop_web.10"} 10\n',
    );
    expect(headers).toMatchObject({
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
      age: "3",
      vary: "Accept, Accept-Encoding",
    });
  });

  it("compresses the response for clients that accept gzip", async () => {
    const { get, put } = await setUpServer();
    put();
    put({ id: "docker:2", replica: "2" });
    const { headers, body } = await get("/web/metrics", { "accept-encoding": "gzip" });
    expect(headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(body).toString()).toBe((await get("/web/metrics")).text);
  });

  it("uses a new scrape at once", async () => {
    const { get, put } = await setUpServer();
    put({ text: "a 1\n" });
    put({ id: "docker:2", replica: "2", text: "a 1\n" });
    await get("/web/metrics");
    put({ text: "a 2\n" });
    expect((await get("/web/metrics")).text).toContain('a{instance="shop_web.1"} 2');
  });

  it("is OpenMetrics if all sources are and the client accepts it, else text", async () => {
    const { get, put } = await setUpServer();
    const text = '# TYPE hits counter\nhits_total 1 # {trace="x"} 1\n# EOF\n';
    put({ contentType: openMetrics, text });
    put({ id: "docker:2", replica: "2", contentType: openMetrics, text });
    const both = await get("/web/metrics", { accept: openMetrics });
    expect(both.headers["content-type"]).toBe(openMetrics);
    expect(both.text).toMatch(
      /^# TYPE hits counter\nhits_total\{instance="shop_web.1"\} 1 # \{trace="x"\} 1\n/,
    );
    const onlyText = await get("/web/metrics", { accept: "text/plain" });
    expect(onlyText.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(onlyText.text).toBe(
      '# TYPE hits_total counter\nhits_total{instance="shop_web.1"} 1\nhits_total{instance="shop_web.2"} 1\n',
    );
    put({ id: "docker:3", replica: "3", text: "other 1\n" });
    expect((await get("/web/metrics", { accept: openMetrics })).headers["content-type"]).toBe(
      "text/plain; version=0.0.4; charset=utf-8",
    );
  });

  it("omits a family whose type conflicts, and lists it on /targets", async () => {
    const { get, put } = await setUpServer();
    put({ text: "# TYPE a counter\na 1\n# TYPE b gauge\nb 1\n" });
    put({ id: "docker:2", replica: "2", text: "# TYPE a gauge\na 2\n# TYPE b gauge\nb 2\n" });
    const { text } = await get("/web/metrics");
    expect(text).not.toContain('a{instance="shop_web.2"}');
    expect(text).toContain('b{instance="shop_web.2"} 2');
    expect(JSON.parse((await get("/targets")).text).mergeConflicts).toEqual([
      { instance: "shop_web.2", family: "a", reason: expect.stringMatching(/gauge.*counter/) },
    ]);
  });

  it("serves five of six replicas when one fails, and lists the sixth with its reason", async () => {
    const reason = "not a valid exposition: line 7: sample without a value";
    const broken = statusOf({ state: "down", reason }, { names: ["web"], job: "shop_web", replica: "4" });
    const { get, put, clock } = await setUpServer({ targets: [broken] });
    for (const replica of ["1", "2", "3", "4", "5", "6"])
      put({ id: `docker:${replica}`, replica, text: "a 1\n" });
    clock.advance(25);
    for (const replica of ["1", "2", "3", "5", "6"]) put({ id: `docker:${replica}`, replica, text: "a 2\n" });
    expect((await get("/web/metrics")).text).toContain('a{instance="shop_web.4"} 1');
    clock.advance(10);
    const { status, text } = await get("/web/metrics");
    expect(status).toBe(200);
    expect(text.match(/instance="shop_web\.\d"/g)?.map((label) => label.at(-2))).toEqual([
      "1",
      "2",
      "3",
      "5",
      "6",
    ]);
    expect(JSON.parse((await get("/targets")).text).targets).toMatchObject([
      { replica: "4", state: "down", reason },
    ]);
    expect(await get("/web/4/metrics")).toMatchObject({ status: 503, text: expect.stringContaining(reason) });
  });

  it("lists the services and the short names that two of them share on /targets", async () => {
    const { get, put } = await setUpServer();
    put();
    put({ id: "docker:2", replica: "2" });
    put({ id: "docker:3", job: "blog_web", names: ["web", "blog_web"] });
    expect(JSON.parse((await get("/targets")).text)).toMatchObject({
      services: [
        { job: "blog_web", names: ["web", "blog_web"], replicas: ["1"] },
        { job: "shop_web", names: ["web", "shop_web"], replicas: ["1", "2"] },
      ],
      nameClashes: [{ name: "web", jobs: ["blog_web", "shop_web"] }],
    });
  });
});

describe("one source in a format that the client does not accept", () => {
  it("is converted, and otherwise sent unchanged", async () => {
    const { get, put } = await setUpServer();
    put({ contentType: openMetrics, text: "# TYPE a gauge\n# UNIT a\na 1\n# EOF\n" });
    const unchanged = await get("/web/1/metrics", { accept: openMetrics });
    expect(unchanged.text).toBe("# TYPE a gauge\n# UNIT a\na 1\n# EOF\n");
    for (const accept of ["text/plain", "*/*", ""]) {
      const { headers, text } = await get("/web/1/metrics", accept === "" ? {} : { accept });
      expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
      expect(text).toBe("# TYPE a gauge\na 1\n");
    }
  });
});

describe("/<name>/metrics?own=1", () => {
  const down = { state: "down", reason: "connection refused" } as const;
  const web = { names: ["web", "shop_web"], job: "shop_web" };

  it("serves only what this node scrapes", async () => {
    const { get, put, node } = await setUpServer();
    put({ text: "own 1\n" });
    node("n2").put({ id: "docker:2", replica: "2", text: "other 1\n" });
    expect((await get("/web/metrics?own=1")).text).toBe("own 1\n");
    expect((await get("/web/1/metrics?own=1")).text).toBe("own 1\n");
    expect((await get("/web/2/metrics")).text).toBe("other 1\n");
  });

  it("is empty if only other nodes have replicas, fresh or not, so that this node does not look down", async () => {
    const { get, node, clock } = await setUpServer();
    node("n2").put({ id: "docker:2", replica: "2" });
    node("n2").list({ id: "docker:3", names: ["db"], job: "db", state: "down" });
    for (const path of ["/web/metrics", "/web/2/metrics", "/db/metrics"]) {
      const { status, headers, text } = await get(`${path}?own=1`, { accept: openMetrics });
      expect([status, headers["content-type"], text]).toEqual([
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        "",
      ]);
    }
    clock.advance(31);
    expect((await get("/web/metrics?own=1")).status).toBe(200);
    // The node is forgotten, its names are not.
    clock.advance(120);
    expect((await get("/web/metrics?own=1")).status).toBe(200);
  });

  it("is empty for a replica that has moved to another node, and for targets that are not scraped", async () => {
    const { get, put, node, clock } = await setUpServer({
      targets: [
        statusOf(down, { ...web, id: "docker:1" }),
        statusOf({ state: "disabled" }, { id: "test:2", names: ["off"], job: "off" }),
        statusOf({ state: "no metrics" }, { id: "test:3", names: ["off"], job: "off" }),
      ],
    });
    put({ text: "old 1\n", startedAt: clock.now() - 10_000 });
    node("n2").put({ startedAt: clock.now() - 1000 });
    expect(await get("/web/metrics?own=1")).toMatchObject({ status: 200, text: "" });
    expect(await get("/web/1/metrics?own=1")).toMatchObject({ status: 200, text: "" });
    expect(await get("/off/metrics?own=1")).toMatchObject({ status: 200, text: "" });
  });

  it("is 503 with the reason if a replica of this node has no fresh metrics", async () => {
    const { get, node } = await setUpServer({ targets: [statusOf(down, web)] });
    node("n2").put({ id: "docker:2", replica: "2" });
    expect(await get("/web/metrics?own=1")).toMatchObject({
      status: 503,
      text: 'no fresh metrics for "web": down: connection refused\n',
    });
    expect((await get("/web/1/metrics?own=1")).status).toBe(503);
    expect((await get("/web/2/metrics?own=1")).status).toBe(200);
    const pending = await setUpServer({ targets: [statusOf({ state: "pending" }, web)] });
    expect((await pending.get("/web/metrics?own=1")).status).toBe(503);
  });

  it("is 503 until the first scan has finished, and 404 for an unknown name", async () => {
    const { get } = await setUpServer({ notReady: ["the first scan is not done yet"] });
    expect(await get("/web/metrics?own=1")).toMatchObject({
      status: 503,
      text: "not ready: the first scan is not done yet\n",
    });
    expect((await (await setUpServer()).get("/web/metrics?own=1")).status).toBe(404);
  });
});

describe("/<name>/metrics?instance=always", () => {
  it("adds job and instance to every sample, also of one replica", async () => {
    const { get, put } = await setUpServer();
    put({ text: 'up{instance="a",job="b"} 1\nplain 1\n' });
    const text =
      'up{job="shop_web",instance="shop_web.1",exported_instance="a",exported_job="b"} 1\n' +
      'plain{job="shop_web",instance="shop_web.1"} 1\n';
    expect((await get("/web/metrics?instance=always")).text).toBe(text);
    expect((await get("/web/1/metrics?instance=always&own=1")).text).toBe(text);
    expect((await get("/web/metrics")).text).toBe('up{instance="a",job="b"} 1\nplain 1\n');
    put({ id: "docker:2", replica: "2", text: "plain 2\n" });
    expect((await get("/web/metrics?instance=always")).text).toBe(
      text + 'plain{job="shop_web",instance="shop_web.2"} 2\n',
    );
    expect((await get("/web/metrics")).text).toContain('plain{instance="shop_web.2"} 2');
  });

  it("keeps OpenMetrics for clients that accept it", async () => {
    const { get, put } = await setUpServer();
    put({ contentType: openMetrics, text: "# TYPE a gauge\na 1\n# EOF\n" });
    const { headers, text } = await get("/web/metrics?instance=always", { accept: openMetrics });
    expect(headers["content-type"]).toBe(openMetrics);
    expect(text).toBe('# TYPE a gauge\na{job="shop_web",instance="shop_web.1"} 1\n# EOF\n');
  });
});

describe("/<name>/metrics with invalid parameters", () => {
  it.each(["own=0", "own=", "own", "own=1&own=1", "instance=never", "instance=always&instance=always"])(
    "?%s is 400 with what is allowed",
    async (query) => {
      const { get, put } = await setUpServer();
      put();
      const { status, text } = await get(`/web/metrics?${query}`);
      expect(status).toBe(400);
      expect(text).toMatch(/^parameter (own: must be 1|instance: must be always), once\n$/);
    },
  );

  it("ignores others", async () => {
    const { get, put } = await setUpServer();
    put();
    expect((await get("/web/metrics?match=1")).text).toBe("up 1\n");
  });
});

describe("a name with more replicas than can be merged", () => {
  it("is 503 at once, with the paths of some replicas", async () => {
    const { get, put, cache } = await setUpServer();
    const scrape = put();
    const scrapes = Array.from({ length: 150_000 }, (_, index) => ({ ...scrape, replica: `${index}` }));
    cache.named = (_name, replica) =>
      replica === undefined ? scrapes : scrapes.filter((scrape) => scrape.replica === replica);
    const { status, text } = await get("/web/metrics");
    expect(status).toBe(503);
    expect(text).toMatch(/^too large to merge; request a single replica:\n\/shop_web\/0\/metrics\n/);
    expect(text.split("\n").length).toBeLessThan(150);
  });

  it("is served by replica", async () => {
    const { get, put, cache } = await setUpServer();
    const scrape = put();
    const scrapes = Array.from({ length: 150_000 }, (_, index) => ({ ...scrape, replica: `${index}` }));
    cache.named = (_name, replica) =>
      replica === undefined ? scrapes : scrapes.filter((scrape) => scrape.replica === replica);
    expect(await get("/web/149999/metrics")).toMatchObject({ status: 200, text: "up 1\n" });
  });
});

describe("thousands of damaged scrapes of a peer", () => {
  it("are read in linear time", async () => {
    const { get, node } = await setUpServer();
    const peer = node("n2");
    const names = ["flood"];
    const targets = Array.from({ length: 5000 }, (_, index) => ({
      id: `docker:${index}`,
      replica: `${index}`,
    }));
    peer.list(...targets.map((target) => ({ ...target, names, job: "flood" })));
    const outcome = { contentType: "text/plain; version=0.0.4", size: 5, samples: 2 };
    const numberOf = (index: number) => 2 ** 50 + index;
    peer.publish(
      targets.map(({ id }, index) => ({
        target: targetKeyOf(id),
        ago: 0,
        duration: 0.1,
        outcome: { ...outcome, number: numberOf(index) },
      })),
    );
    const gzip = gzipSync("up 1\n");
    for (const index of targets.keys()) peer.deliver(numberOf(index), Buffer.from(gzip));
    const begun = performance.now();
    expect((await get("/flood/metrics")).status).toBe(503);
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});
