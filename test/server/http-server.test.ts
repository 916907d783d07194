import { createConnection } from "node:net";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { silentLogger } from "../../src/logging.js";
import { startHttpServer } from "../../src/server/http-server.js";
import { createTelemetry } from "../../src/telemetry.js";
import { freePort } from "../support/free-port.js";
import { setUpServer, statusOf } from "../support/http-server.js";

describe("/<name>/metrics", () => {
  it("answers with the exposition as it came, byte for byte", async () => {
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

  it("sends the cached gzip bytes to who takes gzip", async () => {
    const { get, put } = await setUpServer();
    const entry = put();
    const { headers, body } = await get("/shop_web/metrics", { "accept-encoding": "gzip, deflate" });
    expect(headers["content-encoding"]).toBe("gzip");
    expect(body.equals(entry.gzip)).toBe(true);
  });

  it.each([
    ["gzip;q=0", false],
    ["identity", false],
    ["*", true],
    ["*;q=0", false],
    ["br, gzip;q=0.5", true],
    ["gzip;q=0, *", false],
    ["GZIP", true],
  ])("with Accept-Encoding: %s gzip is taken: %s", async (accepted, gzip) => {
    const { get, put } = await setUpServer();
    put();
    const { headers, body, text } = await get("/web/metrics", { "accept-encoding": accepted });
    expect(headers["content-encoding"]).toBe(gzip ? "gzip" : undefined);
    expect(gzip ? gunzipSync(body).toString() : text).toBe("up 1\n");
  });

  it("answers HEAD like GET, without the body", async () => {
    const { get, put } = await setUpServer();
    put();
    const { status, headers, body } = await get("/web/metrics", {}, "HEAD");
    expect(status).toBe(200);
    expect(headers["content-length"]).toBe("5");
    expect(body).toHaveLength(0);
  });

  it("keeps the target's content type", async () => {
    const { get, put } = await setUpServer();
    const contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    put({ contentType });
    expect((await get("/web/metrics")).headers["content-type"]).toBe(contentType);
  });

  it("is 503 with the reason where a known target has nothing fresh", async () => {
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

  it("is 503 while the target was not scraped yet", async () => {
    const { get } = await setUpServer({ targets: [statusOf({ state: "pending" })] });
    expect(await get("/web/metrics")).toMatchObject({
      status: 503,
      text: 'no fresh metrics for "web": not scraped yet\n',
    });
  });

  it("is 404 for an unknown name, with those close to it", async () => {
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

  it("repeats a strange name on one line, shortened", async () => {
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
  it("answers for one replica", async () => {
    const { get, put } = await setUpServer();
    put({ text: "one 1\n" });
    put({ id: "docker:2", replica: "2", text: "two 2\n" });
    expect((await get("/web/2/metrics")).text).toBe("two 2\n");
    expect((await get("/shop_web/1/metrics")).text).toBe("one 1\n");
  });

  it("tells two stacks with one short name apart by the full name", async () => {
    const { get, put } = await setUpServer();
    put({ text: "shop 1\n" });
    put({ id: "docker:2", job: "blog_web", names: ["web", "blog_web"], text: "blog 1\n" });
    expect((await get("/web/1/metrics")).text).toBe(
      'blog{instance="blog_web.1"} 1\nshop{instance="shop_web.1"} 1\n',
    );
    expect((await get("/blog_web/1/metrics")).text).toBe("blog 1\n");
  });

  it("is 404 for an unknown replica, with those that there are", async () => {
    const { get, put } = await setUpServer({ targets: [statusOf({ state: "pending" }, { replica: "2" })] });
    put();
    expect(await get("/web/9/metrics")).toMatchObject({
      status: 404,
      text: 'unknown replica: "web", replica "9"; known replicas: 1, 2\n',
    });
    expect((await get("/web/2/metrics")).status).toBe(503);
  });
});

describe("the proxy's own paths", () => {
  it("/-/healthy and /-/ready", async () => {
    const ready = await setUpServer();
    expect(await ready.get("/-/healthy")).toMatchObject({ status: 200, text: "healthy\n" });
    expect((await ready.get("/-/ready")).status).toBe(200);
    const starting = await setUpServer({ notReady: ["the first scan is not done yet", "nor the second"] });
    expect((await starting.get("/-/healthy")).status).toBe(200);
    expect(await starting.get("/-/ready")).toMatchObject({
      status: 503,
      text: "not ready: the first scan is not done yet; nor the second\n",
    });
  });

  it("/targets tells of every target and provider", async () => {
    const failing = { since: Date.UTC(2026, 0, 1), reason: "connection refused" };
    const { get, put } = await setUpServer({
      targets: [
        statusOf(
          { url: "http://127.0.0.1/metrics", lastDuration: 0.25 },
          { id: "docker:1", labels: { team: "a" } },
        ),
        statusOf({ state: "unreachable", reason: "no shared network (it is on: db)" }, { id: "docker:2" }),
      ],
      providers: [{ name: "docker", failing }],
    });
    put();
    const { status, headers, text } = await get("/targets");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(JSON.parse(text)).toMatchObject({
      node: "node1",
      version: "1.2.3",
      providers: [
        { name: "docker", ok: false, failingSince: "2026-01-01T00:00:00.000Z", reason: "connection refused" },
      ],
      targets: [
        {
          id: "docker:1",
          state: "up",
          instance: "web.1",
          lastDurationSeconds: 0.25,
          labels: { team: "a" },
          entry: { fresh: true, ageSeconds: 0, samples: 1 },
        },
        { id: "docker:2", state: "unreachable", reason: "no shared network (it is on: db)" },
      ],
    });
  });

  it("/metrics counts requests by route and code, never by path", async () => {
    const { get, put } = await setUpServer();
    put();
    await get("/web/metrics");
    await get("/something/else/entirely");
    await get("/nobody/metrics");
    const { text, headers } = await get("/metrics");
    expect(headers["content-type"]).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(text).toContain(
      'app_metrics_proxy_http_request_duration_seconds_count{route="/:name/metrics",code="200"} 1',
    );
    expect(text).toContain(
      'app_metrics_proxy_http_request_duration_seconds_count{route="/:name/metrics",code="404"} 1',
    );
    expect(text).toContain(
      'app_metrics_proxy_http_request_duration_seconds_count{route="other",code="404"} 1',
    );
    expect(text).toContain('app_metrics_proxy_build_info{version="1.2.3"');
  });

  it("/ links to everything, and shows a strange name as text", async () => {
    const { get, put } = await setUpServer();
    put({ names: ["<script>alert(1)</script>"] });
    const { headers, text } = await get("/");
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    for (const link of ["/targets", "/metrics", "/-/healthy"]) expect(text).toContain(`href="${link}"`);
    expect(text).not.toContain("<script>");
    expect(text).toContain('href="/%3Cscript%3Ealert(1)%3C%2Fscript%3E/metrics"');
  });

  it("are 404 in any other spelling", async () => {
    const { get } = await setUpServer();
    for (const path of ["/Targets", "/targets/", "/-/", "/nothing", "/a/b/c/metrics"]) {
      expect((await get(path)).status, path).toBe(404);
    }
  });
});

describe("the server", () => {
  it("takes only GET and HEAD", async () => {
    const { get } = await setUpServer();
    expect(await get("/metrics", {}, "POST")).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  });

  it("answers 400 to a path that cannot be decoded", async () => {
    const { get } = await setUpServer();
    expect(await get("/%zz/metrics")).toMatchObject({ status: 400, text: "bad request\n" });
  });

  it("says which address it cannot have, and why", async () => {
    const { port } = await setUpServer();
    const context = { telemetry: createTelemetry("0"), logger: silentLogger } as never;
    const again = startHttpServer({ host: "127.0.0.1", port }, context).catch(
      (error: Error) => error.message,
    );
    await expect(again).resolves.toBe(
      `cannot listen on LISTEN_ADDRESS 127.0.0.1:${port}: another program listens on it`,
    );
  });

  it("stops although a client keeps its connection open, and frees the port", async () => {
    const port = await freePort();
    const context = { telemetry: createTelemetry("0"), logger: silentLogger } as never;
    const server = await startHttpServer({ host: "127.0.0.1", port }, context);
    const socket = createConnection(port, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write("GET / HTTP/1.1\r\n");
    await server.stop();
    socket.destroy();
    const again = await startHttpServer({ host: "127.0.0.1", port }, context);
    await again.stop();
  });
});
