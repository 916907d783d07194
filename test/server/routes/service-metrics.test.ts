import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { setUpServer, statusOf } from "../../support/http-server.js";

const openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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

  it("packs the answer for a client that takes gzip", async () => {
    const { get, put } = await setUpServer();
    put();
    put({ id: "docker:2", replica: "2" });
    const { headers, body } = await get("/web/metrics", { "accept-encoding": "gzip" });
    expect(headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(body).toString()).toBe((await get("/web/metrics")).text);
  });

  it("sees at once that a source has changed", async () => {
    const { get, put } = await setUpServer();
    put({ text: "a 1\n" });
    put({ id: "docker:2", replica: "2", text: "a 1\n" });
    await get("/web/metrics");
    put({ text: "a 2\n" });
    expect((await get("/web/metrics")).text).toContain('a{instance="shop_web.1"} 2');
  });

  it("stays OpenMetrics where all are that and the client takes it, and is text where not", async () => {
    const { get, put } = await setUpServer();
    const text = '# TYPE hits counter\nhits_total 1 # {trace="x"} 1\n# EOF\n';
    put({ contentType: openMetrics, text });
    put({ id: "docker:2", replica: "2", contentType: openMetrics, text });
    const both = await get("/web/metrics");
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
    expect((await get("/web/metrics")).headers["content-type"]).toBe(
      "text/plain; version=0.0.4; charset=utf-8",
    );
  });

  it("leaves out a family whose type contradicts, and names it on /targets", async () => {
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

  it("serves five of six where one breaks in the middle of the night, and names the sixth with its reason", async () => {
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

  it("names on /targets what is served, and the short names that two services share", async () => {
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

describe("one source in a format that the client does not take", () => {
  it("is converted, and otherwise goes out as its own bytes", async () => {
    const { get, put } = await setUpServer();
    put({ contentType: openMetrics, text: "# TYPE a gauge\n# UNIT a\na 1\n# EOF\n" });
    expect((await get("/web/1/metrics")).text).toBe("# TYPE a gauge\n# UNIT a\na 1\n# EOF\n");
    const { headers, text } = await get("/web/1/metrics", { accept: "text/plain" });
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text).toBe("# TYPE a gauge\na 1\n");
  });
});

describe("/federate", () => {
  it("has every sample with its job, its instance and the time of its scrape", async () => {
    const { get, put, clock } = await setUpServer();
    const first = clock.now();
    put({ text: "# TYPE a gauge\na 1\n" });
    clock.advance(2);
    put({ id: "docker:2", job: "db", names: ["db"], text: `# TYPE a gauge\na{job="x"} 2\nb 3 ${first}\n` });
    const { status, headers, text } = await get("/federate");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text.split("\n").sort()).toEqual(
      [
        "",
        "# TYPE a gauge",
        `a{job="db",instance="db.1",exported_job="x"} 2 ${first + 2000}`,
        `a{job="shop_web",instance="shop_web.1"} 1 ${first}`,
        `b{job="db",instance="db.1"} 3 ${first}`,
      ].sort(),
    );
  });

  it("is for one service under its name, and for some with ?name=", async () => {
    const { get, put } = await setUpServer();
    put({ text: "a 1\n" });
    put({ id: "docker:2", job: "db", names: ["db"], text: "b 1\n" });
    put({ id: "docker:3", job: "mail", names: ["mail"], text: "c 1\n" });
    expect((await get("/db/federate")).text).toMatch(/^b\{[^\n]*\n$/);
    const some = (await get("/federate?name=web&name=db&name=shop_web")).text;
    expect(some.match(/^a\{/gm)).toHaveLength(1);
    expect(some).toMatch(/^b\{/m);
    expect(some).not.toMatch(/^c\{/m);
  });

  it("goes on without those that have nothing fresh, and is 404 for an unknown name", async () => {
    const { get, put } = await setUpServer({
      targets: [statusOf({ state: "down", reason: "connection refused" }, { names: ["sick"], job: "sick" })],
    });
    put();
    expect((await get("/federate?name=web&name=sick")).status).toBe(200);
    expect((await get("/sick/federate")).status).toBe(503);
    expect((await get("/federate?name=web&name=none")).status).toBe(404);
  });

  it("is 400 for more names than it takes, rather than short", async () => {
    const { get, put } = await setUpServer();
    const names = Array.from({ length: 1001 }, (_, index) => `s${index}`);
    for (const [index, name] of names.entries()) put({ id: `docker:${index}`, job: name, names: [name] });
    const asked = (some: readonly string[]) =>
      get(`/federate?${some.map((name) => `name=${name}`).join("&")}`);
    expect((await asked(names)).status).toBe(400);
    expect((await asked(names.slice(1))).text.split("\n")).toHaveLength(1000 + 1);
    expect((await asked([...names.slice(1), "s7"])).status).toBe(200);
  });

  it("sees each name, whatever other parameters there are", async () => {
    const { get, put } = await setUpServer();
    put();
    expect((await get(`/federate?name=web&${"a&".repeat(1000)}name=none`)).status).toBe(404);
  });

  it.each([404, 503])("looks for the reason of a %s once, however many names there are", async (status) => {
    let looks = 0;
    const sick = statusOf({ state: "down" }).target;
    const names = Array.from({ length: 300 }, (_, index) => `sick${index}`);
    const target = {
      ...sick,
      get names() {
        looks++;
        return status === 503 ? names : ["sick"];
      },
    };
    const { get } = await setUpServer({ targets: [{ ...statusOf({ state: "down" }), target }] });
    expect((await get(`/federate?${names.map((name) => `name=${name}`).join("&")}`)).status).toBe(status);
    expect(looks).toBeLessThan(10);
  });

  it("is empty where there is nothing at all", async () => {
    const { get } = await setUpServer();
    expect(await get("/federate")).toMatchObject({ status: 200, text: "" });
  });

  it("is packed for a client that takes gzip, and has no body for HEAD", async () => {
    const { get, put } = await setUpServer();
    put();
    const { headers, body } = await get("/federate", { "accept-encoding": "gzip" });
    expect(headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(body).toString()).toBe((await get("/federate")).text);
    expect(await get("/federate", {}, "HEAD")).toMatchObject({ status: 200, text: "" });
  });
});

describe("/discovery", () => {
  const labels = { "com.docker.stack.namespace": "shop", "metrics.port": "8080" };
  const targets = [
    statusOf(
      {},
      {
        names: ["web", "shop_web"],
        job: "shop_web",
        replica: "1",
        stack: "shop",
        title: "shop_web.1.x",
        image: "web:1",
        labels,
      },
    ),
    statusOf({ state: "down" }, { id: "test:2", names: ["db"], job: "db", replica: "node1" }),
    statusOf({ state: "no metrics" }, { id: "test:3" }),
    statusOf({ state: "pending" }, { id: "test:4" }),
  ];

  it("lists a target for each replica that has metrics, as http_sd wants it", async () => {
    const { get } = await setUpServer({ targets, advertiseAddress: "node1.example.org:2137" });
    const { status, headers, text } = await get("/discovery");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(JSON.parse(text)).toEqual([
      {
        targets: ["node1.example.org:2137"],
        labels: {
          __metrics_path__: "/shop_web/1/metrics",
          __meta_app_metrics_proxy_name: "web",
          __meta_app_metrics_proxy_service: "shop_web",
          __meta_app_metrics_proxy_stack: "shop",
          __meta_app_metrics_proxy_replica: "1",
          __meta_app_metrics_proxy_node: "node1",
          __meta_app_metrics_proxy_container: "shop_web.1.x",
          __meta_app_metrics_proxy_image: "web:1",
          __meta_app_metrics_proxy_state: "up",
          __meta_app_metrics_proxy_label_com_docker_stack_namespace: "shop",
          __meta_app_metrics_proxy_label_metrics_port: "8080",
        },
      },
      expect.objectContaining({
        labels: expect.objectContaining({ __meta_app_metrics_proxy_state: "down" }),
      }),
    ]);
  });

  it("is an empty list where there is nothing", async () => {
    expect((await (await setUpServer()).get("/discovery")).text).toBe("[]");
  });

  it("gives out the host that the request was sent to where no address was told", async () => {
    const { get, port } = await setUpServer({ targets });
    expect(JSON.parse((await get("/discovery")).text)[0].targets).toEqual([`127.0.0.1:${port}`]);
    expect((await get("/discovery", { host: "a b" })).status).toBe(400);
  });

  it("is 503 while the list is not known, never a short list", async () => {
    const failing = { since: 0, reason: "the engine is away" };
    const broken = await setUpServer({ targets, providers: [{ name: "docker", failing }] });
    expect(await broken.get("/discovery")).toMatchObject({
      status: 503,
      text: expect.stringContaining("the engine is away"),
    });
    const starting = await setUpServer({ targets, notReady: ["the first scan is not done yet"] });
    expect((await starting.get("/discovery")).status).toBe(503);
  });
});
