import { createConnection } from "node:net";
import bcrypt from "bcrypt";
import { describe, expect, it } from "vitest";
import { type Access, openAccess } from "../../../src/config/access.js";
import { setUpServer } from "../../support/http-server.js";

const users = new Map([["alice", bcrypt.hashSync("right", 4)]]);
const authorization = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});

async function setUp(access: Partial<Access>) {
  const server = await setUpServer({ access: { ...openAccess, ...access } });
  server.put();
  return server;
}

describe("a port that requires authentication", () => {
  it.each([
    "/web/metrics",
    "/web/1/metrics",
    "/federate",
    "/discovery",
    "/targets",
    "/metrics",
    "/",
    "/none",
  ])("refuses %s with 401 and WWW-Authenticate", async (path) => {
    const { get } = await setUp({ users, bearerToken: "open-sesame" });
    const { status, headers, text } = await get(path);
    expect(status).toBe(401);
    expect([headers["www-authenticate"]].flat().join(", ")).toMatch(/^Basic realm=".*", .*Bearer realm="/);
    expect(text).not.toContain("up 1");
  });

  it("accepts a password and a token", async () => {
    const { get } = await setUp({ users, bearerToken: "open-sesame" });
    expect((await get("/web/metrics", authorization("alice", "right"))).text).toBe("up 1\n");
    expect((await get("/web/metrics", { authorization: "Bearer open-sesame" })).text).toBe("up 1\n");
    expect((await get("/web/metrics", authorization("alice", "wrong"))).status).toBe(401);
  });

  it.each(["/-/healthy", "/-/ready", "/-/ready?now"])("serves %s without authentication", async (path) => {
    const { get } = await setUp({ users });
    expect((await get(path)).status).toBe(200);
  });

  it.each([
    "/-/healthy/",
    "//-/healthy",
    "/-/ready/../../web/metrics",
    "/-/HEALTHY",
    "/-%2fhealthy",
    "http://x/web/metrics",
    "http://x//-/healthy",
  ])("does not treat %s as one of the two open paths", async (path) => {
    const { port } = await setUp({ users });
    expect(await rawStatus(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).toBe(401);
  });

  it("recognises an open path in absolute form", async () => {
    const { port } = await setUp({ users });
    const request = "GET http://x/-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    expect(await rawStatus(port, request)).toBe(200);
  });

  it("sends Retry-After to a client that fails too often, and still serves the others", async () => {
    const { get } = await setUp({ users });
    const good = authorization("alice", "right");
    expect((await get("/web/metrics", good)).status).toBe(200);
    const statuses: number[] = [];
    // Tokens take no time to check.
    for (let i = 0; i < 12; i++)
      statuses.push((await get("/targets", { authorization: `Bearer ${i}` })).status);
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429]);
    const { headers } = await get("/targets", { authorization: "Bearer x" });
    expect(headers["retry-after"]).toBe("5");
    expect((await get("/web/metrics", good)).status).toBe(200);
  });

  it("counts attempts by scheme and result", async () => {
    const { get } = await setUp({ users });
    const good = authorization("alice", "right");
    for (const header of [good, good, authorization("alice", "wrong"), {}]) await get("/targets", header);
    const { text } = await get("/metrics", good);
    const counter = "app_metrics_proxy_authentication_attempts_total";
    expect(text).toContain(`${counter}{scheme="basic",result="right"} 1\n`);
    expect(text).toContain(`${counter}{scheme="basic",result="remembered"} 2\n`);
    expect(text).toContain(`${counter}{scheme="basic",result="wrong"} 1\n`);
    expect(text).toContain(`${counter}{scheme="none",result="missing"} 1\n`);
    expect(text).toContain("app_metrics_proxy_password_checks_total 2\n");
  });

  it("changes its users while running", async () => {
    const { get, server } = await setUp({});
    expect((await get("/targets")).status).toBe(200);
    server.use({ ...openAccess, bearerToken: "open-sesame" });
    expect((await get("/targets")).status).toBe(401);
    expect((await get("/targets", { authorization: "Bearer open-sesame" })).status).toBe(200);
  });
});

describe("further settings of the web configuration", () => {
  it("add headers to every response", async () => {
    const { get } = await setUp({ users, headers: { "X-Frame-Options": "deny" } });
    for (const path of ["/-/healthy", "/targets"])
      expect((await get(path)).headers["x-frame-options"]).toBe("deny");
  });

  it("limit the rate of requests, but not of health checks", async () => {
    const { get, clock } = await setUp({ rateLimit: { interval: 10, burst: 2 } });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await get("/targets")).status);
    expect(statuses).toEqual([200, 200, 429]);
    expect((await get("/targets")).headers["retry-after"]).toBe("10");
    expect((await get("/-/healthy")).status).toBe(200);
    clock.advance(10);
    expect((await get("/targets")).status).toBe(200);
  });
});

/** The status of the response to a raw request. */
function rawStatus(port: number, text: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, "127.0.0.1", () => socket.end(text));
    let answer = "";
    socket.on("data", (data) => (answer += data));
    socket.on("error", reject);
    socket.on("close", () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])));
  });
}
