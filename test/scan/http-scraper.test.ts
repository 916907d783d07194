import { randomBytes } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { ScrapeError } from "../../src/fetch/scrape-error.js";
import { createHttpScraper, type Scraper } from "../../src/scan/http-scraper.js";
import { Scheduler } from "../../src/scheduler.js";
import { freePort } from "../support/free-port.js";
import { type Answer, answerWith, startTarget, startTcpTarget, textType } from "../support/target-server.js";

const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

function scraper(options: { timeout?: number; maxBytes?: number } = {}): Scraper {
  const created = createHttpScraper({
    timeout: 2,
    maxBytes: 8 * 1024 * 1024,
    keepAlive: 10,
    userAgent: "app-metrics-proxy/test",
    scheduler: new Scheduler(),
    ...options,
  });
  onTestFinished(() => created.close());
  return created;
}

const never = new AbortController().signal;

async function scrapeOf(answer: Answer, options?: { timeout?: number; maxBytes?: number }) {
  const target = await startTarget(answer);
  return await scraper(options).scrape(target.url, never);
}

async function failureOf(
  answer: Answer,
  options?: { timeout?: number; maxBytes?: number },
): Promise<ScrapeError> {
  const failure = await scrapeOf(answer, options).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(ScrapeError);
  return failure as ScrapeError;
}

/** Many lines of about 25 bytes. */
function bigText(bytes: number): string {
  let text = "";
  for (let index = 0; text.length < bytes; index++) text += `a_metric{index="${index}"} ${index}\n`;
  return text;
}

describe("createHttpScraper()", () => {
  it("returns the exposition as gzip with its size and number of samples", async () => {
    const scraped = await scrapeOf(answerWith("# TYPE up gauge\nup 1\nup_too 2\n"));
    expect(gunzipSync(scraped.gzip).toString()).toBe("# TYPE up gauge\nup 1\nup_too 2\n");
    expect(scraped).toMatchObject({ samples: 2, size: 30, contentType: textType });
  });

  it.each([
    ["", textType],
    ["", "text/html"],
    ["# nothing here\n", textType],
    ["# EOF\n", openMetricsType],
  ])("returns a response without samples, %j as %s", async (text, type) => {
    const scraped = await scrapeOf(answerWith(text, type));
    expect(gunzipSync(scraped.gzip).toString()).toBe(text);
    expect(scraped).toMatchObject({ samples: 0, size: text.length });
    expect([type, textType]).toContain(scraped.contentType);
  });

  it("requests both formats and gzip with GET and sends its timeout", async () => {
    let headers = {};
    await scrapeOf((request, response) => {
      headers = { method: request.method, ...request.headers };
      answerWith("up 1\n")(request, response);
    });
    expect(headers).toMatchObject({
      method: "GET",
      "accept-encoding": "gzip",
      "user-agent": "app-metrics-proxy/test",
      "x-prometheus-scrape-timeout-seconds": "2",
    });
    expect(headers).toHaveProperty(
      "accept",
      expect.stringMatching(/openmetrics-text;version=1\.0\.0.*text\/plain;version=0\.0\.4/),
    );
  });

  it("keeps the gzip bytes of a target that sends gzip", async () => {
    const bytes = gzipSync("up 1\n", { level: 9 });
    const scraped = await scrapeOf((_request, response) => {
      response.writeHead(200, { "content-type": textType, "content-encoding": "gzip" });
      response.end(bytes);
    });
    expect(scraped.gzip).toEqual(bytes);
    expect(scraped.size).toBe(5);
  });

  it.each([
    ["in one piece", 100_000],
    ["in many pieces", 5_000_000],
  ])("returns a large text %s unchanged, with and without gzip", async (_title, bytes) => {
    const text = bigText(bytes);
    const plain = await scrapeOf(answerWith(text));
    expect(gunzipSync(plain.gzip).toString() === text).toBe(true);
    const packed = gzipSync(text);
    const gzipped = await scrapeOf((_request, response) => {
      response.writeHead(200, { "content-type": textType, "content-encoding": "gzip" });
      response.end(packed);
    });
    expect(gzipped.gzip.equals(packed)).toBe(true);
    expect(gzipped.size).toBe(text.length);
    expect(gzipped.samples).toBe(plain.samples);
  });

  it("keeps OpenMetrics as OpenMetrics", async () => {
    const scraped = await scrapeOf(answerWith("# TYPE a gauge\na 1\n# EOF\n", openMetricsType));
    expect(scraped.contentType).toBe(openMetricsType);
  });

  it.each([
    ["up 1\n", textType],
    ["# TYPE a gauge\na 1\n# EOF\n", openMetricsType],
  ])("determines an unknown content type from the text: %j", async (text, contentType) => {
    expect((await scrapeOf(answerWith(text, "application/octet-stream"))).contentType).toBe(contentType);
  });

  it.each([
    "text/plain; charset=\u00fc",
    `text/plain; x=${"y".repeat(300)}`,
    // Prometheus 3 rejects a content type that Go's mime.ParseMediaType rejects.
    "text/plain; charset",
    "text/plain; version=0.0.4 charset=utf-8",
    "text/plain; version=0.0.4; version=0.0.4",
  ])("replaces a content type that cannot be served: %s", async (contentType) => {
    expect((await scrapeOf(answerWith("up 1\n", contentType))).contentType).toBe(textType);
  });

  it("follows a redirect that stays on the same host and port", async () => {
    const scraped = await scrapeOf((request, response) => {
      if (request.url === "/metrics") response.writeHead(301, { location: "/metrics/" }).end();
      else answerWith("up 1\n")(request, response);
    });
    expect(scraped.samples).toBe(1);
  });

  it("opens a new connection if an idle one was closed between two scrapes", async () => {
    const target = await startTarget((_request, response) => {
      response.writeHead(200, { "content-type": textType });
      response.end("up 1\n", () => setTimeout(() => response.socket?.destroy(), 20));
    });
    const { scrape } = scraper();
    for (let round = 0; round < 3; round++) {
      expect((await scrape(target.url, never)).samples).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  });
});

describe("a scrape fails with a reason if the target", () => {
  it("does not listen", async () => {
    const url = `http://127.0.0.1:${await freePort()}/metrics`;
    await expect(scraper().scrape(url, never)).rejects.toMatchObject({
      outcome: "connection",
      message: "connection refused",
    });
  });

  it.each([
    ["a reason phrase", "HTTP/1.1 500 \x1b]0;owned\x07\x9b31m\u202etxt\r\nContent-Length: 0\r\n\r\n"],
    ["a header", "HTTP/1.1 200 OK\r\nContent-Encoding: \x1b]0;owned\x07\u202etxt\r\n\r\n"],
    ["an encoding", "HTTP/1.1 200 OK\r\nContent-Encoding: \x9b31m\u00ad\r\n\r\na 1\n"],
    [
      "a body",
      "HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n# TYPE a \x1b]0;owned\x07\x9b31m\u202etxt\na 1\n",
    ],
    ["a status line", "HTTP/1.1 \x1b]0;owned\x07\u202etxt\r\n\r\n"],
  ])("has an unprintable text in %s, without printing it", async (_, response) => {
    const { url } = await startTcpTarget((socket) =>
      socket.once("data", () => socket.end(response, "latin1")),
    );
    const failure = await scraper()
      .scrape(url, never)
      .then(String, (error: Error) => error.message);
    expect(failure).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u);
    expect(failure.length).toBeLessThanOrEqual(2000);
  });

  it("returns an HTML page", async () => {
    const error = await failureOf(answerWith("<!doctype html>\n<html></html>\n", "text/html"));
    expect(error).toMatchObject({
      outcome: "invalid",
      message: expect.stringMatching(/^not a valid exposition: line 1: ./),
    });
  });

  it("returns half an exposition", async () => {
    const error = await failureOf(answerWith("up 1\nup_too{a=", textType));
    expect(error.message).toMatch(/line 2/);
  });

  it("returns OpenMetrics without '# EOF'", async () => {
    expect((await failureOf(answerWith("a 1\n", openMetricsType))).outcome).toBe("invalid");
  });

  it.each([204, 301, 401, 404, 500])("returns HTTP status %i", async (status) => {
    const error = await failureOf(answerWith(status === 204 ? "" : "up 1\n", textType, status));
    expect(error).toMatchObject({ outcome: "status", message: `HTTP status ${status}` });
  });

  it("redirects to another host or in a loop", async () => {
    const otherHost = await failureOf((_request, response) =>
      response.writeHead(302, { location: "http://user@127.0.0.2/login?token=secret" }).end(),
    );
    expect(otherHost.message).toBe("redirected to another host: http://127.0.0.2");
    const noHost = await failureOf((_request, response) =>
      response.writeHead(302, { location: "login:secret" }).end(),
    );
    expect(noHost.message).toBe("redirected to another host");
    const loop = await failureOf((_request, response) =>
      response.writeHead(302, { location: "/metrics" }).end(),
    );
    expect(loop.message).toMatch(/more than 3 times/);
  });

  it("closes the connection before the response is complete", async () => {
    const target = await startTcpTarget((socket) => {
      socket.end("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nup 1\n");
    });
    await expect(scraper().scrape(target.url, never)).rejects.toMatchObject({ outcome: "connection" });
  });

  it("uses another protocol than HTTP", async () => {
    const target = await startTcpTarget((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
    await expect(scraper().scrape(target.url, never)).rejects.toBeInstanceOf(ScrapeError);
  });

  it("sends headers without end", async () => {
    const target = await startTcpTarget((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      const timer = setInterval(() => socket.write(`X-Header: ${"x".repeat(8000)}\r\n`), 5);
      socket.on("close", () => clearInterval(timer));
    });
    await expect(scraper().scrape(target.url, never)).rejects.toMatchObject({
      message: expect.stringMatching(/headers/),
    });
  });

  it("uses a content encoding that was not requested", async () => {
    const error = await failureOf((_request, response) => {
      response.writeHead(200, { "content-encoding": "br" }).end("x");
    });
    expect(error.message).toMatch(/content encoding "br"/);
  });

  it.each([
    ["cut off", (gzip: Buffer) => gzip.subarray(0, -5)],
    ["followed by other data", (gzip: Buffer) => Buffer.concat([gzip, Buffer.from("garbage")])],
    ["not gzip", () => Buffer.from("up 1\n")],
  ])("sends a gzip stream that is %s", async (_title, damage) => {
    for (const size of [10, 6_000_000]) {
      const body = damage(gzipSync(bigText(size)));
      const error = await failureOf((_request, response) => {
        response.writeHead(200, { "content-type": textType, "content-encoding": "gzip" }).end(body);
      });
      expect(error).toMatchObject({
        outcome: "invalid",
        message: expect.stringMatching(/damaged gzip stream/),
      });
    }
  });
});

describe("a scrape of a hostile target ends", () => {
  it("within the timeout if the target never responds", async () => {
    const target = await startTcpTarget(() => undefined);
    await expect(scraper({ timeout: 0.2 }).scrape(target.url, never)).rejects.toMatchObject({
      outcome: "timeout",
      message: "no complete response within 0.2 s",
    });
  });

  it("within the timeout if the target sends a byte at a time", async () => {
    const error = await failureOf(
      (_request, response) => {
        response.writeHead(200, { "content-type": textType });
        const timer = setInterval(() => response.write("a 1\n"), 20);
        response.on("close", () => clearInterval(timer));
      },
      { timeout: 0.3 },
    );
    expect(error.outcome).toBe("timeout");
  });

  it("at the size limit if the target sends without end", async () => {
    let sent = 0;
    const chunk = Buffer.from("a 1\n".repeat(16_384));
    const error = await failureOf(
      (_request, response) => {
        response.writeHead(200, { "content-type": textType });
        const more = () => {
          while (!response.destroyed && response.write(chunk)) sent += chunk.length;
        };
        response.on("drain", more);
        more();
      },
      { maxBytes: 4 * 1024 * 1024, timeout: 10 },
    );
    expect(error.outcome).toBe("too_large");
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it("at the first error if the target sends random data without end", async () => {
    const error = await failureOf(
      (_request, response) => {
        response.writeHead(200, { "content-type": textType });
        const more = () => {
          while (!response.destroyed && response.write(randomBytes(65_536)));
        };
        response.on("drain", more);
        more();
      },
      { maxBytes: 512 * 1024 * 1024, timeout: 10 },
    );
    expect(error.outcome).toBe("invalid");
  });

  it.each([
    ["small", 1],
    ["large", 40],
  ])("at the size limit if the target sends a gzip bomb, %s on the wire", async (_title, times) => {
    const megabytes = gzipSync("a 1\n".repeat((64 * 1024 * 1024) / 4), { level: 9 });
    const bomb = Buffer.concat(Array.from({ length: times }, () => megabytes));
    const before = process.memoryUsage().rss;
    const error = await failureOf(
      (_request, response) => {
        response.writeHead(200, { "content-type": textType, "content-encoding": "gzip" });
        response.end(bomb);
      },
      { timeout: 30 },
    );
    expect(error.outcome).toBe("too_large");
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  });

  it("at once if it is aborted", async () => {
    const target = await startTcpTarget(() => undefined);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50);
    await expect(scraper({ timeout: 5 }).scrape(target.url, abort.signal)).rejects.toMatchObject({
      outcome: "aborted",
    });
  });
});
