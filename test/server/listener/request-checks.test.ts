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
});
