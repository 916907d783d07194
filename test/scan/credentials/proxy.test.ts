import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createAuthority } from "../../support/certificates.js";
import { startForwardProxy } from "../../support/forward-proxy.js";
import { freePort } from "../../support/free-port.js";
import { answerWith, startTarget, startTcpTarget } from "../../support/target-server.js";
import { tempFolder } from "../../support/temp-folder.js";
import { scraperWith } from "./setup.js";

let authority: ReturnType<typeof createAuthority>;

beforeAll(() => {
  authority = createAuthority();
  return () => authority.remove();
});

const metrics = answerWith("up 1\n");

async function startTlsTarget() {
  const seen: NodeJS.Dict<string | string[]>[] = [];
  const { cert, key } = authority.issue("server", "IP:127.0.0.1");
  const server = createServer({ cert, key }, (request, response) => {
    seen.push(request.headers);
    metrics(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, url: `https://${host}/metrics`, seen };
}

describe("a target behind a proxy", () => {
  it("is scraped through it with its full URL and its credentials", async () => {
    let headers: NodeJS.Dict<string | string[]> = {};
    const target = await startTarget((request, response) => {
      headers = request.headers;
      metrics(request, response);
    });
    const proxy = await startForwardProxy();
    const { scrape } = await scraperWith({
      db: {
        proxy_url: `http://user:p%40ss@127.0.0.1:${proxy.port}`,
        proxy_connect_header: { "X-Proxy-Key": ["k3y"] },
        authorization: { credentials: "t" },
      },
    });
    for (let round = 0; round < 2; round++) expect((await scrape(target.url, "db")).samples).toBe(1);
    expect(proxy.requests.map(({ line }) => line)).toEqual([`GET ${target.url}`, `GET ${target.url}`]);
    expect(proxy.requests[0]?.headers["proxy-authorization"]).toBe(
      `Basic ${Buffer.from("user:p@ss").toString("base64")}`,
    );
    // Headers for CONNECT must not reach the target.
    expect(headers["x-proxy-key"]).toBeUndefined();
    expect(headers).toMatchObject({ authorization: "Bearer t", host: `127.0.0.1:${target.port}` });
  });

  it("is scraped over TLS through a tunnel that the proxy cannot read", async () => {
    const target = await startTlsTarget();
    const proxy = await startForwardProxy();
    const { scrape } = await scraperWith({
      db: {
        proxy_url: `http://127.0.0.1:${proxy.port}`,
        proxy_connect_header: { "X-Proxy-Key": ["k3y"] },
        authorization: { credentials: "t" },
        tls_config: { ca_file: authority.certFile },
      },
    });
    for (let round = 0; round < 2; round++) expect((await scrape(target.url, "db")).samples).toBe(1);
    expect(proxy.requests.map(({ line }) => line)).toEqual([`CONNECT ${target.host}`]);
    expect(proxy.requests[0]?.headers).toMatchObject({ "x-proxy-key": "k3y" });
    expect(proxy.requests[0]?.headers["authorization"]).toBeUndefined();
    expect(target.seen[0]).toMatchObject({ authorization: "Bearer t" });
    expect(target.seen[0]?.["x-proxy-key"]).toBeUndefined();
  });

  it("is scraped through a proxy with TLS, whose certificate is verified", async () => {
    const plain = await startTarget(metrics);
    const target = await startTlsTarget();
    const otherAuthority = createAuthority();
    onTestFinished(() => otherAuthority.remove());
    const good = await startForwardProxy({ tls: authority.issue("proxy", "DNS:localhost") });
    const bad = await startForwardProxy({ tls: otherAuthority.issue("proxy", "DNS:localhost") });
    const tls_config = { ca: authority.cert };
    const { scrape, failure } = await scraperWith({
      good: { proxy_url: `https://localhost:${good.port}`, tls_config },
      bad: { proxy_url: `https://localhost:${bad.port}`, tls_config },
    });
    for (const url of [plain.url, target.url]) {
      expect((await scrape(url, "good")).samples).toBe(1);
      expect(await failure(url, "bad")).toMatch(/certificate/);
    }
    expect(good.requests.map(({ line }) => line)).toEqual([
      `CONNECT 127.0.0.1:${plain.port}`,
      `CONNECT ${target.host}`,
    ]);
    expect(bad.requests).toEqual([]);
  });

  it("is scraped directly if no_proxy matches", async () => {
    const target = await startTarget(metrics);
    const proxy = await startForwardProxy();
    const { scrape } = await scraperWith({
      db: { proxy_url: `http://127.0.0.1:${proxy.port}`, no_proxy: "example.org, 127.0.0.0/8" },
    });
    expect((await scrape(target.url, "db")).samples).toBe(1);
    expect(proxy.requests).toEqual([]);
  });

  it("has a token server that is reached directly or through its own proxy", async () => {
    const tokens = await startTarget(answerWith('{"access_token":"t"}', "application/json"));
    const target = await startTarget(metrics);
    const [proxy, other] = [await startForwardProxy(), await startForwardProxy()];
    const oauth2 = { client_id: "me", token_url: `http://127.0.0.1:${tokens.port}/token` };
    const proxy_url = `http://127.0.0.1:${proxy.port}`;
    const { scrape } = await scraperWith({
      direct: { oauth2, proxy_url },
      other: { oauth2: { ...oauth2, proxy_url: `http://127.0.0.1:${other.port}` }, proxy_url },
    });
    await scrape(target.url, "direct");
    await scrape(target.url, "other");
    expect(proxy.requests.map(({ line }) => line)).toEqual([`GET ${target.url}`, `GET ${target.url}`]);
    expect(other.requests.map(({ line }) => line)).toEqual([`POST ${oauth2.token_url}`]);
  });
});

describe("a proxy", () => {
  it.each([407, 403, 502])(
    "that responds with status %i makes the scrape fail without revealing the password",
    async (status) => {
      const plain = await startTarget(metrics);
      const secure = await startTlsTarget();
      const proxy = await startForwardProxy({ refuse: status });
      const { failure, log } = await scraperWith({
        db: { proxy_url: `http://user:s3cret@127.0.0.1:${proxy.port}`, tls_config: { ca: authority.cert } },
      });
      const reasons = [await failure(plain.url, "db"), await failure(secure.url, "db")];
      expect(reasons).toEqual([expect.stringMatching(String(status)), expect.stringMatching(String(status))]);
      expect([...reasons, ...log].join()).not.toMatch(/s3cret|user:/);
    },
  );

  it("that refuses connections makes the scrape fail", async () => {
    const target = await startTarget(metrics);
    const proxy_url = `http://127.0.0.1:${await freePort()}`;
    const { failure } = await scraperWith({ db: { proxy_url } });
    expect(await failure(target.url, "db")).toBe("connection refused");
    expect(await failure(target.url.replace("http:", "https:"), "db")).toBe("connection refused");
    expect(target.requests).toEqual([]);
  });

  it("that never responds makes the scrape time out", async () => {
    const silent = await startTcpTarget(() => undefined);
    const { failure } = await scraperWith(
      { db: { proxy_url: `http://127.0.0.1:${silent.port}` } },
      tempFolder(),
      0.3,
    );
    for (const scheme of ["http", "https"])
      expect(await failure(`${scheme}://10.0.0.1/metrics`, "db")).toBe("no complete response within 0.3 s");
  });
});
