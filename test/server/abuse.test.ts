import { once } from "node:events";
import { beforeAll, describe, expect, it } from "vitest";
import { requireBuild } from "../support/built-proxy.js";
import { exchange, open } from "../support/raw-client.js";
import { startVictim, underAttack } from "./under-attack.js";

beforeAll(requireBuild);

const megabyte = 1024 * 1024;
/** Far below what each of these attacks takes where nothing bounds it. */
const memoryLimit = 128 * megabyte;

const host = "Host: a\r\n";
const close = "Connection: close\r\n";
const chunked = "Transfer-Encoding: chunked\r\n";
const get = (path: string, headers = "") => `GET ${path} HTTP/1.1\r\n${host}${headers}\r\n`;
const post = (headers: string, body: string) => `POST / HTTP/1.1\r\n${host}${headers}\r\n${body}`;
/** What must not be taken for a second request. */
const smuggled = get("/targets", close);

/** Requests as bytes, and the statuses of all that is answered. */
const shapes: readonly [name: string, bytes: string | Buffer, statuses: number[]][] = [
  ["HEAD", `HEAD /web/metrics HTTP/1.1\r\n${host}${close}\r\n`, [200]],
  ["OPTIONS", `OPTIONS * HTTP/1.1\r\n${host}${close}\r\n`, [405]],
  ["TRACE", `TRACE / HTTP/1.1\r\n${host}${close}\r\n`, [405]],
  ["CONNECT", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n", [405]],
  ["a method of its own", `FROB / HTTP/1.1\r\n${host}\r\n`, [400]],
  ["an upgrade, which is passed over", get("/-/healthy", `Upgrade: websocket\r\n${close}`), [200]],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]],
  ["TLS", Buffer.from("16030100a5010000a10303", "hex"), [400]],
  ["SSH", "SSH-2.0-x\r\n", [400]],
  ["zeros", Buffer.alloc(1000), [400]],
  ["HTTP/1.0", "GET /-/healthy HTTP/1.0\r\n\r\n", [200]],
  ["HTTP/1.1 without Host", `GET /-/healthy HTTP/1.1\r\n${close}\r\n`, [400]],
  ["two Hosts", get("/-/healthy", `hOsT: b\r\n${close}`), [400]],
  ["a path in absolute form", get("http://b/-/healthy", close), [200]],
  ["a host in absolute form, without path", get("http://b", close), [200]],
  ["no path", get("*", close), [400]],
  ["an absolute form that is none", get("http://", close), [400]],
  ["an expectation", get("/", `Expect: 200-maybe\r\n${close}`), [417]],
  ["a header of 20 kB", get("/", `X: ${"x".repeat(20_000)}\r\n`), [431]],
  ["a path of 20 kB", get(`/${"x".repeat(20_000)}`), [431]],
  ["2,600 headers", get("/-/healthy", `${"a: b\r\n".repeat(2600)}${close}`), [200]],
  ["a header with NUL", get("/", "X: a\0b\r\n"), [400]],
  ["a header without name", get("/", ": x\r\n"), [400]],
  ["a name with a space", get("/", "X Y: z\r\n"), [400]],
  ["a folded header", get("/", "X: y\r\n z\r\n"), [400]],
  ["a bare CR", `GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n`, [400]],
  ["line feeds only", "GET / HTTP/1.1\nHost: a\n\n", [400]],
  ["Content-Length and chunks", post(`Content-Length: 5\r\n${chunked}`, `0\r\n\r\n${smuggled}`), [400]],
  ["chunks and Content-Length", post(`${chunked}Content-Length: 5\r\n`, `0\r\n\r\n${smuggled}`), [400]],
  ["two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", `hello${smuggled}`), [400]],
  ["the same length twice", post("Content-Length: 5\r\nContent-Length: 5\r\n", `hello${smuggled}`), [400]],
  ["a list of lengths", post("Content-Length: 5, 5\r\n", `hello${smuggled}`), [400]],
  ["a length below zero", post("Content-Length: -5\r\n", smuggled), [400]],
  ["a length with a plus", post("Content-Length: +5\r\n", `hello${smuggled}`), [400]],
  ["a length beyond all numbers", post("Content-Length: 99999999999999999999\r\n", smuggled), [400]],
  ["chunked, and then not", post(`${chunked}Transfer-Encoding: identity\r\n`, `0\r\n\r\n${smuggled}`), [400]],
  ["a space before the colon", post("Transfer-Encoding : chunked\r\n", `0\r\n\r\n${smuggled}`), [400]],
  ["a vertical tab", post("Transfer-Encoding:\x0bchunked\r\n", `0\r\n\r\n${smuggled}`), [400]],
  // The answer comes before the body, and what follows the broken body is no request.
  ["a chunk of no length", `${get("/-/healthy", chunked)}ZZ\r\nhello\r\n0\r\n\r\n${smuggled}`, [200]],
  ["a chunk longer than all", `${get("/-/healthy", chunked)}FFFFFFFFFFFFFFFFF\r\n${smuggled}`, [200]],
  [
    "20 kB behind a chunk's length",
    `${get("/-/healthy", chunked)}1;${"x".repeat(20_000)}\r\n${smuggled}`,
    [200],
  ],
  [
    "a body that is passed over",
    `${get("/-/healthy", "Content-Length: 5\r\n")}hello${get("/", close)}`,
    [200, 200],
  ],
];

/** Paths, and the status of each. */
const paths: readonly [path: string, status: number][] = [
  ["//", 404],
  ["//evil.example/metrics", 404],
  ["/..%2f", 404],
  ["/../../etc/passwd", 404],
  ["/web/../metrics", 404],
  ["/%2e%2e/metrics", 404],
  ["/..%2f..%2fetc%2fpasswd/metrics", 404],
  ["/\\..\\metrics", 404],
  ["/web%00/metrics", 404],
  ["/%00", 404],
  ["/web\0/metrics", 400],
  ["/a b/metrics", 400],
  ["/%/metrics", 400],
  ["/%zz/metrics", 400],
  ["/%c0%af/metrics", 400],
  ["/%c0%ae%c0%ae/metrics", 400],
  ["/%ff/metrics", 400],
  ["/%ed%a0%80/metrics", 400],
  ["/\xff\xfe/metrics", 400],
  ["/__proto__/metrics", 404],
  ["/constructor/metrics", 404],
  ["/constructor", 404],
  ["/hasOwnProperty/federate", 404],
  ["/web/__proto__/metrics", 404],
  ["/federate?name=__proto__", 404],
  ["/federate?name=%zz", 404],
  [`/federate?${"name=s15&".repeat(1500)}`, 200],
  [`/${"x".repeat(8000)}/metrics`, 404],
  [`/${"%41".repeat(2600)}/metrics`, 404],
  [`/web/metrics?${"a&".repeat(4000)}`, 200],
  ["/web/metrics/", 404],
  ["/web//metrics", 404],
  ["/WEB/metrics", 404],
  ["/web%2fmetrics", 404],
  ["/web%2Fr0/metrics", 404],
  ["/-/../metrics", 404],
  ["/-/metrics", 404],
  ["/?", 200],
];

describe("requests that no scraper sends", () => {
  it("are answered with the right status, and nothing is smuggled in behind them", async () => {
    const { port, log } = await startVictim();
    const seen = await Promise.all(
      shapes.map(async ([name, bytes]) => [name, (await exchange(port, bytes)).statuses]),
    );
    expect(Object.fromEntries(seen)).toEqual(
      Object.fromEntries(shapes.map(([name, , statuses]) => [name, statuses])),
    );
    expect(log()).not.toMatch(/a request failed|Warning/);
  });

  it("find no path but those that there are", async () => {
    const victim = await startVictim();
    const seen = await Promise.all(
      paths.map(async ([path]) => {
        const bytes = Buffer.from(get(path, close), "latin1");
        return [path, (await exchange(victim.port, bytes)).statuses[0]];
      }),
    );
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(paths));
    expect(victim.log()).not.toMatch(/a request failed|Warning/);
  });

  it("are answered in turn where a thousand come at once", async () => {
    const victim = await startVictim();
    const list = Array.from({ length: 1000 }, (_, index) => `/unknown-${index}/metrics`);
    const { text } = await exchange(
      victim.port,
      [...list.map((path) => get(path)), get("/", close)].join(""),
      15_000,
    );
    const names = [...text.matchAll(/unknown name: "(.*?)"/g)].map(([, name]) => `/${name}/metrics`);
    expect(names).toEqual(list);
  });
});

/** What is large, and made for each who asks. */
const unread: readonly [path: string, headers: string][] = [
  ["/federate", ""],
  ["/federate", "Accept-Encoding: gzip\r\n"],
  ["/targets", ""],
  ["/web/metrics", ""],
];

describe("the proxy stays well, and its memory bounded, with", () => {
  it("a thousand requests at once whose answers nobody reads", async () => {
    const victim = await startVictim();
    for (const [path, headers] of unread) {
      const { grownBy } = await underAttack(victim, async (meanwhile) => {
        const sockets = [1, 2, 3].map(() => open(victim.port).pause());
        for (const socket of sockets) socket.write(get(path, headers).repeat(1000));
        await meanwhile();
        for (const socket of sockets) socket.destroy();
      });
      expect(grownBy, path).toBeLessThan(memoryLimit);
    }
  });

  it("a hundred clients that never read their answer", async () => {
    const victim = await startVictim();
    for (const [path, headers] of unread) {
      const { grownBy } = await underAttack(victim, async (meanwhile) => {
        const sockets = Array.from({ length: 100 }, () => open(victim.port).pause());
        for (const socket of sockets) socket.write(get(path, headers));
        await meanwhile();
        for (const socket of sockets) socket.destroy();
      });
      expect(grownBy, path).toBeLessThan(memoryLimit);
    }
  });

  it("clients that reset their connection in the middle of an answer", async () => {
    const victim = await startVictim();
    const { grownBy } = await underAttack(victim, async () => {
      for (let round = 0; round < 10; round++) {
        const headers = round % 2 === 0 ? "" : "Accept-Encoding: gzip\r\n";
        await Promise.all(
          Array.from({ length: 20 }, async () => {
            const socket = open(victim.port);
            socket.write(get("/federate", headers));
            await once(socket, "data");
            socket.resetAndDestroy();
          }),
        );
      }
    });
    expect(grownBy).toBeLessThan(memoryLimit);
    expect(victim.log()).not.toMatch(/a request failed|Warning/);
    // Nothing goes on for those who left.
    await expect
      .poll(async () => (await victim.get("/metrics")).text, { timeout: 5000 })
      .toMatch(/http_request_duration_seconds_count\{route="\/federate",code="200"\} 200/);
  });

  it("thousands of different names, queries and headers", async () => {
    const victim = await startVictim();
    const { grownBy } = await underAttack(victim, async () => {
      for (let round = 0; round < 10; round++) {
        const requests = Array.from({ length: 500 }, (_, index) => {
          const odd = `${round}-${index}-${"x".repeat(1000)}`;
          if (index % 4 === 0) return get(`/${odd}/metrics`);
          if (index % 4 === 1) return get(`/s15/metrics?a=${odd}`);
          if (index % 4 === 2) return get(`/federate?name=${odd}`);
          return get(
            "/s15/metrics",
            `Accept: text/plain;version=0.0.4;x=${odd}\r\nAccept-Encoding: gzip\r\n`,
          );
        });
        const { statuses } = await exchange(victim.port, `${requests.join("")}${get("/", close)}`, 15_000);
        expect(statuses).toHaveLength(501);
      }
    });
    expect(grownBy).toBeLessThan(memoryLimit);
    const metrics = (await victim.get("/metrics")).text;
    expect(metrics.length).toBeLessThan(200_000);
    expect(metrics).not.toContain("xxxx");
  });
});
