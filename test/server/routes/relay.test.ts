import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { gunzipSync, gzipSync } from "node:zlib";
import { request } from "undici";
import { describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../../support/free-port.js";
import { setUpServer } from "../../support/http-server.js";
import { promtoolFault } from "../../support/promtool.js";
import { namesIn, setUpRelay } from "../../support/relay.js";
import { answerWith, startTarget, startTcpTarget, textType } from "../../support/target-server.js";

const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

describe("/relay", () => {
  it("is disabled unless RELAY_ALLOW is set, and responds how to enable it", async () => {
    const { get } = await setUpServer();
    expect(await get("/relay?target=http://127.0.0.1:9100/metrics")).toMatchObject({
      status: 404,
      text: "the relay is disabled; set RELAY_ALLOW to enable it\n",
    });
  });

  it("sends the exposition of the target, whatever its path and parameters", async () => {
    const target = await startTarget(answerWith("# a comment\nup   1\n\n"));
    const { ask } = await setUpRelay();
    const { status, text, headers } = await ask(`http://127.0.0.1:${target.port}/a/b;c?d=%20e&f=g`);
    expect(status).toBe(200);
    expect(text).toBe("# a comment\nup   1\n\n");
    expect(target.requests).toEqual(["GET /a/b;c?d=%20e&f=g"]);
    expect(headers).toMatchObject({
      "content-type": textType,
      "content-length": "20",
      "x-content-type-options": "nosniff",
    });
  });

  it("accepts a target that is not URL-encoded", async () => {
    const target = await startTarget(answerWith("up 1\n"));
    const { get } = await setUpRelay();
    expect((await get(`/relay?module=x&target=http://127.0.0.1:${target.port}/metrics`)).text).toBe("up 1\n");
  });

  it.each([
    "",
    "?",
    "?target=",
    "?target=http://127.0.0.1/&target=http://127.0.0.1/",
    "?target[]=http://127.0.0.1/",
  ])("is 400 without one target: %j", async (query) => {
    const { get } = await setUpRelay();
    expect(await get(`/relay${query}`)).toMatchObject({
      status: 400,
      text: "one parameter target is required: /relay?target=http://host:9100/metrics\n",
    });
  });

  it("is 403 if RELAY_ALLOW does not allow the target", async () => {
    const { ask } = await setUpRelay();
    expect(await ask("http://10.0.0.1:9100/metrics")).toMatchObject({
      status: 403,
      text: "RELAY_ALLOW does not allow 10.0.0.1 at port 9100\n",
    });
  });

  it("sends GET to the target for HEAD, because many exporters do not support HEAD", async () => {
    const target = await startTarget(answerWith("up 1\n"));
    const { ask } = await setUpRelay();
    const { status, headers, body } = await ask(target.url, {}, "HEAD");
    expect(status).toBe(200);
    expect(headers["content-length"]).toBe("5");
    expect(body).toHaveLength(0);
    expect(target.requests).toEqual(["GET /metrics"]);
  });

  it("rejects other methods", async () => {
    const { get } = await setUpRelay();
    expect((await get("/relay?target=http://127.0.0.1/", {}, "POST")).status).toBe(405);
  });
});

describe("the relay sends to a target", () => {
  async function headersFor(headers: Record<string, string>): Promise<IncomingHttpHeaders> {
    let seen: IncomingHttpHeaders = {};
    const target = await startTarget((incoming, response) => {
      seen = incoming.headers;
      answerWith("up 1\n")(incoming, response);
    });
    const { ask } = await setUpRelay({ timeout: 3 });
    expect((await ask(target.url, headers)).status).toBe(200);
    expect(seen.host).toBe(`127.0.0.1:${target.port}`);
    return seen;
  }

  it("nothing of the client but its formats and timeout", async () => {
    const seen = await headersFor({
      authorization: "Bearer secret",
      "proxy-authorization": "Basic c2VjcmV0",
      cookie: "a=b",
      accept: "text/plain;version=0.0.4",
      "accept-encoding": "br, deflate, gzip",
      "x-forwarded-for": "10.0.0.1",
      "x-prometheus-scrape-timeout-seconds": "10",
      "user-agent": "Prometheus/3.0",
      referer: "http://example.test/",
    });
    expect(Object.keys(seen).sort()).toEqual([
      "accept",
      "accept-encoding",
      "connection",
      "host",
      "user-agent",
      "x-prometheus-scrape-timeout-seconds",
    ]);
    expect(seen).toMatchObject({
      accept: "text/plain;version=0.0.4",
      "accept-encoding": "gzip",
      "user-agent": "app-metrics-proxy/1.2.3 (relay)",
      "x-prometheus-scrape-timeout-seconds": "9.5",
    });
  });

  it.each([
    ["10", "9.5"],
    ["1.2", "0.7"],
    ["0.6", "0.3"],
    ["3600", "60"],
  ])("for a client timeout of %s s, a timeout of %s s", async (header, seconds) => {
    const seen = await headersFor({ "x-prometheus-scrape-timeout-seconds": header });
    expect(seen["x-prometheus-scrape-timeout-seconds"]).toBe(seconds);
  });

  it("SCRAPE_TIMEOUT without a client timeout", async () => {
    expect((await headersFor({}))["x-prometheus-scrape-timeout-seconds"]).toBe("3");
  });

  it.each([
    [
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;version=1.0.0;q=0.4",
      "text/plain;version=1.0.0;q=0.4",
    ],
    [
      "application/vnd.google.protobuf",
      expect.stringMatching(/^application\/openmetrics-text;version=1.0.0,/),
    ],
    ["*/*", "*/*"],
  ])("of Accept %s only the formats that it validates", async (accept, sent) => {
    expect((await headersFor({ accept })).accept).toEqual(sent);
  });
});

it.each(["0", "-1", "5s", "1e3", "NaN", ""])("a timeout of %j is rejected or ignored", async (header) => {
  const target = await startTarget(answerWith("up 1\n"));
  const { ask } = await setUpRelay();
  const { status, text } = await ask(target.url, { "x-prometheus-scrape-timeout-seconds": header });
  expect(status).toBe(400);
  expect(text).toBe("X-Prometheus-Scrape-Timeout-Seconds is not a number of seconds above 0\n");
});

describe("the relay returns", () => {
  it("the gzip bytes of the target to clients that accept gzip", async () => {
    const bytes = gzipSync("up 1\n", { level: 9 });
    const target = await startTarget((_request, response) => {
      response.writeHead(200, { "content-type": textType, "content-encoding": "gzip" });
      response.end(bytes);
    });
    const { ask } = await setUpRelay();
    const { headers, body } = await ask(target.url, { "accept-encoding": "gzip" });
    expect(headers["content-encoding"]).toBe("gzip");
    expect(body.equals(bytes)).toBe(true);
    const plain = await ask(target.url);
    expect(plain.headers["content-encoding"]).toBeUndefined();
    expect(plain.text).toBe("up 1\n");
  });

  it("gzip even if the target sends none", async () => {
    const target = await startTarget(answerWith("up 1\n"));
    const { ask } = await setUpRelay();
    const { body } = await ask(target.url, { "accept-encoding": "gzip" });
    expect(gunzipSync(body).toString()).toBe("up 1\n");
  });

  it("a large exposition completely", async () => {
    const text = Array.from({ length: 150_000 }, (_, index) => `a_metric{index="${index}"} ${index}\n`).join(
      "",
    );
    const target = await startTarget(answerWith(text));
    const { ask } = await setUpRelay();
    expect((await ask(target.url)).text === text).toBe(true);
  });

  it("an exposition without samples", async () => {
    const target = await startTarget(answerWith("# nothing yet\n"));
    const { ask } = await setUpRelay();
    expect(await ask(target.url)).toMatchObject({ status: 200, text: "# nothing yet\n" });
  });

  it.each([
    ["up 1\n", textType, textType],
    [
      "up 1\n",
      "text/plain; version=1.0.0; escaping=allow-utf-8",
      "text/plain; version=1.0.0; escaping=allow-utf-8",
    ],
    ["up 1\n", "application/json", textType],
    ["up 1\n", "text/plain; a=\u00fc", textType],
    ["up 1\n", `text/plain; a=${"b".repeat(300)}`, textType],
    ["# TYPE a gauge\na 1\n# EOF\n", openMetricsType, openMetricsType],
    ["# TYPE a gauge\na 1\n# EOF\n", "text/html", openMetricsType],
  ])("%j, sent as %s, as %s", async (text, sent, contentType) => {
    const target = await startTarget(answerWith(text, sent));
    const { ask } = await setUpRelay();
    expect(await ask(target.url)).toMatchObject({ status: 200, headers: { "content-type": contentType } });
  });

  it("no other header of the target", async () => {
    const target = await startTarget((_request, response) => {
      response.setHeader("Set-Cookie", "a=b");
      response.setHeader("Location", "http://elsewhere.test/");
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.setHeader("X-Content-Type-Options", "none");
      answerWith("up 1\n")(_request, response);
    });
    const { ask } = await setUpRelay();
    const { headers } = await ask(target.url);
    expect(Object.keys(headers).sort()).toEqual([
      "connection",
      "content-length",
      "content-type",
      "date",
      "keep-alive",
      "vary",
      "x-content-type-options",
    ]);
    expect(headers["x-content-type-options"]).toBe("nosniff");
  });
});

describe("502, with the reason in one line, is a target that", () => {
  const cases: [string, Parameters<typeof startTarget>[0], RegExp][] = [
    ["responds with another status", answerWith("up 1\n", textType, 500), /responded with status 500$/],
    ["responds without content", answerWith("up 1\n", textType, 204), /responded with status 204$/],
    ["responds with a web page", answerWith("<html></html>", "text/html"), /not a valid exposition: line 1/],
    ["responds with JSON", answerWith('{"secret":1}', "application/json"), /not a valid exposition: line 1/],
    ["ends in the middle of a line", answerWith("up 1\nup_"), /not a valid exposition: line 2/],
    [
      "declares gzip and sends none",
      (_request, response) => {
        response.writeHead(200, { "content-type": textType, "content-encoding": "gzip" });
        response.end("up 1\n");
      },
      /damaged gzip stream/,
    ],
    [
      "sends another encoding",
      (_request, response) => {
        response.writeHead(200, { "content-type": textType, "content-encoding": "br" });
        response.end("up 1\n");
      },
      /unsupported content encoding "br", expected gzip/,
    ],
    [
      "disconnects early",
      (_request, response) => {
        response.writeHead(200, { "content-type": textType, "content-length": "1000" });
        response.write("up 1\n", () => setTimeout(() => response.destroy(), 10));
      },
      /closed before the response was complete/,
    ],
    [
      "sends too many header bytes",
      (_request, response) => {
        response.writeHead(200, { "x-large": "x".repeat(20_000) });
        response.end();
      },
      /response headers exceed 16384 bytes/,
    ],
  ];
  it.each(cases)("%s", async (_what, answer, reason) => {
    const target = await startTarget(answer);
    const { ask } = await setUpRelay();
    const { status, text } = await ask(target.url);
    expect(status).toBe(502);
    expect(text).toMatch(new RegExp(`^127\\.0\\.0\\.1:${target.port}[^\n]*\n$`));
    expect(text.trim()).toMatch(reason);
    expect(text).not.toContain("secret");
  });

  it("is not running", async () => {
    const { ask } = await setUpRelay();
    const port = await freePort();
    expect(await ask(`http://127.0.0.1:${port}/metrics`)).toMatchObject({
      status: 502,
      text: `127.0.0.1:${port}: connection refused\n`,
    });
  });

  it("has an unknown name", async () => {
    const { ask } = await setUpRelay({ resolve: namesIn({}) });
    expect(await ask("http://nowhere.test:9100/metrics")).toMatchObject({
      status: 502,
      text: "nowhere.test: host name not found\n",
    });
  });

  it("does not use HTTP", async () => {
    const { url } = await startTcpTarget((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
    const { ask } = await setUpRelay();
    expect((await ask(url)).status).toBe(502);
  });

  it("has a certificate that this node does not trust, although it is requested by name", async () => {
    const names: string[] = [];
    const server = createTlsServer({
      SNICallback: (name, done) => {
        names.push(name);
        done(new Error("no certificate here"));
      },
    });
    server.on("tlsClientError", () => undefined);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { ask } = await setUpRelay({ resolve: namesIn({ "node.test": [["127.0.0.1"]] }) });
    const { status } = await ask(`https://node.test:${(server.address() as AddressInfo).port}/metrics`);
    expect(status).toBe(502);
    expect(names).toEqual(["node.test"]);
  });
});

describe("a name is resolved once, and the checked address is dialled", () => {
  /** Servers on two loopback addresses with the same port, which return their address. */
  async function startTwo(): Promise<{ port: number; hosts: string[] }> {
    const hosts: string[] = [];
    const port = await freePort();
    for (const address of ["127.0.0.2", "127.0.0.3"]) {
      const server = createServer((incoming, response) => {
        hosts.push(incoming.headers.host ?? "");
        response.setHeader("content-type", textType);
        response.end(`at{address="${address}"} 1\n`);
      });
      server.listen(port, address);
      await once(server, "listening");
      onTestFinished(() => {
        server.close();
        server.closeAllConnections();
      });
    }
    return { port, hosts };
  }

  it("even if it resolves to another address a moment later", async () => {
    const { port, hosts } = await startTwo();
    const resolve = namesIn({ "rebind.test": [["127.0.0.2"], ["127.0.0.3"]] });
    const { ask } = await setUpRelay({ allow: "127.0.0.2:*", resolve });
    const { status, text } = await ask(`http://rebind.test:${port}/metrics`);
    expect({ status, text }).toEqual({ status: 200, text: 'at{address="127.0.0.2"} 1\n' });
    expect(resolve.requests).toEqual(["rebind.test"]);
    expect(hosts).toEqual([`rebind.test:${port}`]);
    // The second result is forbidden, and is checked too.
    expect((await ask(`http://rebind.test:${port}/metrics`)).status).toBe(403);
    expect(hosts).toHaveLength(1);
  });

  it("only the allowed one of several addresses", async () => {
    const { port, hosts } = await startTwo();
    const resolve = namesIn({ "mixed.test": [["127.0.0.3", "169.254.169.254", "127.0.0.2"]] });
    const { ask } = await setUpRelay({ allow: "127.0.0.2:*", resolve });
    expect((await ask(`http://mixed.test:${port}/metrics`)).text).toBe('at{address="127.0.0.2"} 1\n');
    expect(hosts).toHaveLength(1);
  });

  it("no other address if the allowed one does not respond", async () => {
    const { port, hosts } = await startTwo();
    const resolve = namesIn({ "mixed.test": [["127.0.0.4", "127.0.0.3"]] });
    const { ask } = await setUpRelay({ allow: "127.0.0.4:*", resolve });
    expect((await ask(`http://mixed.test:${port}/metrics`)).status).toBe(502);
    expect(hosts).toEqual([]);
  });

  it("the second of two allowed addresses if only that responds", async () => {
    const { port } = await startTwo();
    const resolve = namesIn({ "two.test": [["127.0.0.4", "127.0.0.2"]] });
    const { ask } = await setUpRelay({ resolve });
    expect((await ask(`http://two.test:${port}/metrics`)).text).toBe('at{address="127.0.0.2"} 1\n');
  });
});

describe("the metrics of the relay", () => {
  it("count requests by status, with their duration and size", async () => {
    const target = await startTarget(answerWith("up 1\n"));
    const { ask, metric, get } = await setUpRelay();
    await ask(target.url);
    await ask(target.url);
    await ask("http://10.0.0.1/");
    await ask("nonsense");
    const figures = [
      'requests_total{code="200"}',
      'requests_total{code="403"}',
      'requests_total{code="400"}',
    ];
    await expect.poll(() => Promise.all(figures.map(metric))).toEqual([2, 1, 1]);
    expect(await metric("requests_in_flight")).toBe(0);
    expect(await metric("request_duration_seconds_count")).toBe(4);
    expect(await metric("exposition_size_bytes_count")).toBe(2);
    expect(await metric("exposition_size_bytes_sum")).toBe(10);
    expect(await promtoolFault((await get("/metrics")).text)).toBeUndefined();
  });

  it("count clients that disconnect, and the target is disconnected at once", async () => {
    let closed = false;
    const target = await startTarget((incoming) => incoming.socket.on("close", () => (closed = true)));
    const { port, metric } = await setUpRelay();
    const leaving = new AbortController();
    const relayed = request(`http://127.0.0.1:${port}/relay?target=${target.url}`, {
      signal: leaving.signal,
    });
    relayed.catch(() => undefined);
    await expect.poll(() => metric("requests_in_flight")).toBe(1);
    leaving.abort();
    await expect.poll(() => closed).toBe(true);
    await expect.poll(() => metric("requests_in_flight")).toBe(0);
    expect(await metric('requests_total{code="aborted"}')).toBe(1);
  });
});
