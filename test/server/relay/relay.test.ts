import { createConnection, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { setUpRelay } from "../../support/relay.js";
import { answerWith, startTarget, startTcpTarget, textType } from "../../support/target-server.js";

const brief = { "x-prometheus-scrape-timeout-seconds": "0.8" };

describe("a target cannot block the relay:", () => {
  it.each<[string, Parameters<typeof startTcpTarget>[0]]>([
    ["it accepts the connection and sends nothing", () => undefined],
    ["it sends headers for an hour", (socket) => drip(socket, "HTTP/1.1 200 OK\r\n", "X-Header: 1\r\n")],
    [
      "it drips its body for an hour",
      (socket) => drip(socket, `HTTP/1.1 200 OK\r\nContent-Type: ${textType}\r\n\r\n`, "up 1\n"),
    ],
    ["it sends only 100 Continue", (socket) => drip(socket, "", "HTTP/1.1 100 Continue\r\n\r\n")],
  ])("%s, until the timeout of the client", async (_what, behave) => {
    let closed = false;
    const { url } = await startTcpTarget((socket) => {
      socket.on("close", () => (closed = true));
      socket.resume();
      behave(socket);
    });
    const { ask } = await setUpRelay();
    const { status, text } = await ask(url, brief);
    // The HTTP client treats a flood of 1xx responses as an error, before the timeout.
    expect([502, 504]).toContain(status);
    if (status === 504) expect(text).toMatch(/^127\.0\.0\.1:\d+: no complete response within 0\.4 s\n$/);
    await expect.poll(() => closed).toBe(true);
  });

  it("a name server that does not respond", async () => {
    const { ask } = await setUpRelay({ allow: "slow.test:*", resolve: () => new Promise(() => undefined) });
    expect(await ask("http://slow.test:9100/metrics", brief)).toMatchObject({
      status: 504,
      text: "slow.test:9100: no complete response within 0.4 s\n",
    });
  });

  it("it sends an endless body", async () => {
    const target = await startTarget((_request, response) => {
      response.writeHead(200, { "content-type": textType });
      const more = () => {
        while (!response.destroyed && response.write("# and on it goes\n".repeat(1000)));
      };
      response.on("drain", more);
      more();
    });
    const { ask } = await setUpRelay({ maxBytes: 1024 * 1024 });
    expect(await ask(target.url)).toMatchObject({
      status: 502,
      text: expect.stringMatching(/: response exceeds SCRAPE_MAX_BYTES \(1048576 bytes uncompressed\)\n$/),
    });
  });

  it.each([
    ["small on the wire", bomb(64, 9)],
    ["large on the wire", bomb(32, 0)],
  ])("it sends a gzip bomb, %s", async (_what, packed) => {
    const target = await startTarget((_request, response) => {
      response.writeHead(200, { "content-type": textType, "content-encoding": "gzip" });
      response.end(packed);
    });
    const { ask } = await setUpRelay({ maxBytes: 16 * 1024 * 1024, timeout: 20 });
    expect(await ask(target.url)).toMatchObject({
      status: 502,
      text: expect.stringMatching(/: response exceeds SCRAPE_MAX_BYTES \(16777216 bytes uncompressed\)\n$/),
    });
  });

  it("all responses together take no more memory than two of the maximum size", async () => {
    const half = Array.from({ length: 3000 }, (_, index) => `a{index="${index}"} ${Math.random()}\n`).join(
      "",
    );
    const target = await startTarget((_request, response) => {
      response.writeHead(200, { "content-type": textType });
      response.write(half);
    });
    const { ask, metric } = await setUpRelay({ maxBytes: half.length + 10, timeout: 3 });
    const answers = await Promise.all([1, 2, 3].map(() => ask(target.url)));
    expect(answers.map(({ status }) => status).sort()).toEqual([503, 504, 504]);
    expect(answers.find(({ status }) => status === 503)?.text).toMatch(/too many bytes are being relayed/);
    await expect.poll(() => metric("requests_in_flight")).toBe(0);
    // Their memory was released.
    const well = await startTarget(answerWith(half));
    expect((await Promise.all([1, 2].map(() => ask(well.url)))).map(({ status }) => status)).toEqual([
      200, 200,
    ]);
  });
});

describe("a client cannot block the relay:", () => {
  it("at most 64 concurrent requests", async () => {
    const held: (() => void)[] = [];
    const target = await startTarget((request, response) => {
      held.push(() => answerWith("up 1\n")(request, response));
    });
    const { ask, metric } = await setUpRelay({ timeout: 20 });
    const requests = Array.from({ length: 64 }, () => ask(target.url));
    await expect.poll(() => held.length, { timeout: 10_000 }).toBe(64);
    expect(await metric("requests_in_flight")).toBe(64);
    expect(await ask(target.url)).toMatchObject({
      status: 503,
      text: "too many concurrent requests (limit 64); try again\n",
    });
    for (const release of held) release();
    expect(new Set((await Promise.all(requests)).map(({ status }) => status))).toEqual(new Set([200]));
    held.length = 0;
    const again = ask(target.url);
    await expect.poll(() => held.length).toBe(1);
    held[0]!();
    expect((await again).status).toBe(200);
  });

  it("one that does not read its response is disconnected", async () => {
    const text = `# ${"x".repeat(1000)}\n`.repeat(8000);
    const target = await startTarget(answerWith(text));
    const { port, metric } = await setUpRelay({ sendTimeout: 0.3 });
    const socket = createConnection(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => undefined);
    socket.pause();
    socket.write(`GET /relay?target=${target.url} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await expect.poll(() => metric('requests_total{code="aborted"}'), { timeout: 5000 }).toBe(1);
    expect(await metric("requests_in_flight")).toBe(0);
  });

  it("one that requests the relay through the relay causes no loop", async () => {
    const { ask, port } = await setUpRelay();
    const url = `http://127.0.0.1:${port}/relay?target=${encodeURIComponent(`http://127.0.0.1:${port}/metrics`)}`;
    expect(await ask(url)).toMatchObject({ status: 502, text: expect.stringContaining("status 403") });
    expect((await ask(`http://127.0.0.1:${port}/metrics`)).status).toBe(200);
  });
});

describe("redirects are not followed:", () => {
  it.each([
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:1/",
    "/elsewhere",
    "//10.0.0.1/",
    "unix:///var/run/docker.sock",
  ])("to %s", async (location) => {
    for (const code of [301, 302, 303, 307, 308]) {
      const target = await startTarget((_request, response) => response.writeHead(code, { location }).end());
      const { ask } = await setUpRelay();
      const { status, text, headers } = await ask(target.url);
      expect({ status, text }).toEqual({
        status: 502,
        text: `127.0.0.1:${target.port} responded with status ${code}; redirects are not followed\n`,
      });
      expect(headers["location"]).toBeUndefined();
      expect(target.requests).toEqual(["GET /metrics"]);
    }
  });
});

describe("nothing can be smuggled in the path:", () => {
  const refused = [
    "/ HTTP/1.1\r\nHost: evil\r\n\r\nGET /admin",
    "/\r\nX-Evil: 1",
    "/\nGET /admin",
    "/%0d%0aX-Evil:%201",
    "/%0D%0A%0D%0AGET%20/admin%20HTTP/1.1",
    "/a b",
    "/a\tb",
    "/\\..\\admin",
    "/\u0000",
    "/%00",
    "/\u010d\u010a",
    "/#/admin",
  ];
  it.each(refused)("%j is rejected, and the target receives nothing", async (path) => {
    const target = await startTarget(answerWith("up 1\n"));
    const { ask } = await setUpRelay();
    expect((await ask(`http://127.0.0.1:${target.port}${path}`)).status).toBe(400);
    expect(target.requests).toEqual([]);
  });

  it.each([
    ["/a%20b%2f..%5c%25%30%64", "/a%20b%2f..%5c%25%30%64"],
    ["/../../admin", "/admin"],
    ["//other.test/metrics", "//other.test/metrics"],
    ["/http://169.254.169.254/", "/http://169.254.169.254/"],
    ["/?target=http://169.254.169.254/", "/?target=http://169.254.169.254/"],
    ["/'\"<>`{}", "/'%22%3C%3E%60%7B%7D"],
  ])("%j is one request for %j of the same target", async (path, requested) => {
    const target = await startTarget(answerWith("up 1\n"));
    const { ask } = await setUpRelay();
    expect((await ask(`http://127.0.0.1:${target.port}${path}`)).status).toBe(200);
    expect(target.requests).toEqual([`GET ${requested}`]);
  });

  it("a line break that is encoded twice is detected", async () => {
    const target = await startTarget(answerWith("up 1\n"));
    const { get } = await setUpRelay();
    const url = `http://127.0.0.1:${target.port}/`;
    for (const tail of ["%0d%0aX:1", "%250d%250aX:1", "%20x", "%5cx"])
      expect((await get(`/relay?target=${url}${tail}`)).status).toBe(400);
    expect(target.requests).toEqual([]);
  });

  it("what a client sends after its request does not reach the target", async () => {
    const target = await startTarget(answerWith("up 1\n"));
    const { port } = await setUpRelay();
    const socket = createConnection(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.write(
      `GET /relay?target=${target.url} HTTP/1.1\r\nHost: x\r\nContent-Length: 28\r\n\r\nGET /admin HTTP/1.1\r\nHost: y\r\n`,
    );
    await new Promise((resolve) => socket.once("data", resolve));
    expect(target.requests).toEqual(["GET /metrics"]);
  });
});

/** Writes a head, then the same chunk repeatedly. */
function drip(socket: Socket, beginning: string, piece: string): void {
  socket.write(beginning);
  const timer = setInterval(() => socket.write(piece), 20);
  socket.on("close", () => clearInterval(timer));
}

/** A comment of so many megabytes, compressed with this level. */
function bomb(megabytes: number, level: number): Buffer {
  const line = `#${"a".repeat(1022)}\n`;
  return gzipSync(line.repeat(1024 * megabytes), { level });
}
