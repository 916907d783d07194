import { describe, expect, it } from "vitest";
import { setUpServer } from "../../support/http-server.js";
import { exchange } from "../../support/raw-client.js";

describe("every request", () => {
  it("allows only GET and HEAD", async () => {
    const { get } = await setUpServer();
    expect(await get("/metrics", {}, "POST")).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  });

  it.each([
    ["GET /-/healthy HTTP/1.1", "Host: a", 200, "healthy"],
    ["GET http://a/-/healthy HTTP/1.1", "Host: a", 200, "healthy"],
    ["GET ftp://a/-/healthy HTTP/1.1", "Host: a", 400, "bad request: the path must begin with a slash"],
    ["GET /-/healthy HTTP/1.1", "Host: a\r\nHost: b", 400, "bad request: several Host headers"],
    ["CONNECT a:80 HTTP/1.1", "Host: a", 405, "method not allowed: use GET or HEAD"],
  ])("is checked: %s with %j is %s", async (line, headers, status, body) => {
    const { port } = await setUpServer();
    const request = `${line}\r\n${headers}\r\nConnection: close\r\n\r\n`;
    const { statuses, text } = await exchange(port, request);
    expect(statuses).toEqual([status]);
    expect(text.trimEnd().split("\r\n").at(-1)).toBe(body);
  });

  it.each([
    ["1.1", "chunked", [200, 405]],
    ["1.1", "Chunked", [200, 405]],
    ["1.1", "xchunked", [400]],
    ["1.1", "chunkedx", [400]],
    ["1.1", "gzip, chunked", [400]],
    ["1.1", "chunked, gzip", [400]],
    ["1.1", "chunked;a=b", [400]],
    ["1.1", "identity", [400]],
    ["1.1", "", [400]],
    ["1.0", "chunked", [400]],
  ])(
    "has a known end: after HTTP/%s with Transfer-Encoding %j, the statuses are %j",
    async (version, coding, expected) => {
      const { port } = await setUpServer();
      const request = `GET /-/healthy HTTP/${version}\r\nHost: a\r\nTransfer-Encoding: ${coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`;
      const next = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
      expect((await exchange(port, request + next)).statuses).toEqual(expected);
    },
  );
});
