import { writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createAuthority } from "../../support/certificates.js";
import { type Answer, answerWith, startTarget, startTcpTarget } from "../../support/target-server.js";
import { tempFolder } from "../../support/temp-folder.js";
import { scraperWith } from "./setup.js";

/** A token server that issues `token-1`, `token-2`, …, and a target that accepts the latest one. */
async function setUp(respond?: (issued: string, request: TokenRequest) => Response | Promise<Response>) {
  const received: TokenRequest[] = [];
  const issue = respond ?? ((issued) => token(issued));
  let valid = "";
  const reply: Answer = (request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", async () => {
      const form = Object.fromEntries(new URLSearchParams(body));
      const details: TokenRequest = {
        method: request.method,
        authorization: request.headers.authorization,
        form,
      };
      received.push(details);
      valid = `token-${received.length}`;
      const result = await issue(valid, details);
      response.writeHead(result.status, { "content-type": "application/json" }).end(await result.text());
    });
  };
  const server = await startTarget(reply);
  const target = await startTarget((request, response) => {
    if (request.headers.authorization === `Bearer ${valid}`) answerWith("up 1\n")(request, response);
    else response.writeHead(401).end();
  });
  return {
    received,
    reply,
    url: target.url,
    requests: target.requests,
    /** Makes the target reject all tokens issued so far. */
    revoke: () => (valid = "revoked"),
    oauth2: { client_id: "me", client_secret: "s3cret", token_url: `http://127.0.0.1:${server.port}/token` },
  };
}

interface TokenRequest {
  readonly method: string | undefined;
  readonly authorization: string | undefined;
  readonly form: Record<string, string>;
}

const token = (value: string, expires_in?: unknown) =>
  Response.json({ access_token: value, token_type: "Bearer", expires_in });
const failed = (status: number, body: object = {}) => Response.json(body, { status });
const pair = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

describe("a target behind OAuth 2", () => {
  it("is scraped with a token that is requested once", async () => {
    const { received, url, oauth2 } = await setUp();
    const { scrape } = await scraperWith({
      db: { oauth2: { ...oauth2, scopes: ["read", "metrics"], endpoint_params: { audience: "db" } } },
    });
    const all = await Promise.all(Array.from({ length: 10 }, () => scrape(url, "db")));
    expect(all.map(({ samples }) => samples)).toEqual(Array(10).fill(1));
    expect(received).toEqual([
      {
        method: "POST",
        authorization: pair("me:s3cret"),
        form: { grant_type: "client_credentials", scope: "read metrics", audience: "db" },
      },
    ]);
  });

  it("sends the client credentials as form parameters if basic authentication is rejected", async () => {
    const { received, url, oauth2 } = await setUp((issued, { authorization }) =>
      authorization === undefined ? token(issued) : failed(401, { error: "invalid_client" }),
    );
    const { scrape } = await scraperWith({ db: { oauth2 } });
    expect((await scrape(url, "db")).samples).toBe(1);
    expect(received[1]?.form).toMatchObject({ client_id: "me", client_secret: "s3cret" });
  });

  it("renews the token before it expires", async () => {
    const { received, url, oauth2 } = await setUp((issued) => token(issued, 100));
    const { scrape, clock } = await scraperWith({ db: { oauth2 } });
    await scrape(url, "db");
    clock.advance(79);
    await scrape(url, "db");
    expect(received).toHaveLength(1);
    clock.advance(20);
    // The scrape first sends the old token. The target accepts only the newest, so the scrape is retried with that.
    expect((await scrape(url, "db")).samples).toBe(1);
    expect(received).toHaveLength(2);
  });

  it("retries with a new token if the old one expired early", async () => {
    const { received, url, oauth2, revoke } = await setUp((issued) => token(issued, 3600));
    const { scrape, clock } = await scraperWith({ db: { oauth2 } });
    await scrape(url, "db");
    clock.advance(60);
    revoke();
    expect((await scrape(url, "db")).samples).toBe(1);
    expect(received).toHaveLength(2);
  });

  it("that rejects every token does not cause a token request per scrape", async () => {
    const { received, oauth2 } = await setUp((issued) => token(issued, 3600));
    const rejecting = await startTarget((_request, response) => response.writeHead(401).end());
    const { failure, clock } = await scraperWith({ db: { oauth2 } });
    for (let second = 0; second < 20; second++) {
      expect(await failure(rejecting.url, "db")).toBe("HTTP status 401");
      clock.advance(1);
    }
    expect(received.length).toBeLessThanOrEqual(4);
  });

  it("uses the current client secret file", async () => {
    const { received, url, oauth2 } = await setUp((issued) => token(issued, 100));
    const folder = tempFolder();
    writeFileSync(join(folder, "secret"), "one");
    const { client_secret: _, ...rest } = oauth2;
    const set = await scraperWith({ db: { oauth2: { ...rest, client_secret_file: "secret" } } }, folder);
    await set.scrape(url, "db");
    set.write("secret", "two\n");
    set.later();
    await set.scrape(url, "db");
    await expect
      .poll(() => received.map(({ authorization }) => authorization))
      .toEqual([pair("me:one"), pair("me:two")]);
  });

  it("supports a token server with its own TLS settings", async () => {
    const authority = createAuthority();
    onTestFinished(() => authority.remove());
    const { reply, url, oauth2 } = await setUp();
    const { cert, key } = authority.issue("login", "IP:127.0.0.1");
    const https = createServer({ cert, key }, reply);
    await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      https.closeAllConnections();
      https.close();
    });
    const token_url = `https://127.0.0.1:${(https.address() as AddressInfo).port}/`;
    const { scrape, failure } = await scraperWith({
      good: { oauth2: { ...oauth2, token_url, tls_config: { ca: authority.cert } } },
      bad: { oauth2: { ...oauth2, token_url } },
    });
    expect((await scrape(url, "good")).samples).toBe(1);
    expect(await failure(url, "bad")).toMatch(/cannot get a token: UNABLE_TO_VERIFY_LEAF_SIGNATURE$/);
  });
});

describe("a token server", () => {
  const notScraped = 'not scraped: SCRAPE_AUTH_FILE entry "db": cannot get a token: ';

  it.each([
    ["fails", () => failed(500), "HTTP status 500"],
    [
      "rejects the client",
      () => failed(401, { error: "invalid_client", error_description: "s3cret is wrong" }),
      "HTTP status 401: invalid_client",
    ],
    ["redirects", () => new Response("", { status: 302 }), "HTTP status 302"],
    ["returns no token", () => Response.json({}), "response has no valid access_token"],
    [
      "returns a token that is not allowed in a header",
      () => token("a\nb"),
      "response has no valid access_token",
    ],
    ["does not return JSON", () => new Response("token"), "response has no valid access_token"],
    [
      "returns another token type",
      () => Response.json({ access_token: "a", token_type: "mac" }),
      "token type is not Bearer",
    ],
    ["returns an invalid lifetime", () => token("a", "soon"), "expires_in is not a number"],
    ["returns too much", () => new Response("x".repeat(100_000)), "response exceeds 65536 bytes"],
  ])("that %s is reported, and the target is not scraped", async (_title, respond, reason) => {
    const { url, oauth2, requests } = await setUp(respond);
    const { failure, log } = await scraperWith({ db: { oauth2 } });
    expect(await failure(url, "db")).toBe(notScraped + reason);
    expect(requests).toEqual([]);
    expect(log).toEqual([
      expect.stringMatching(/^warn: cannot get a token from the token server.*"127\.0\.0\.1:\d+"/),
    ]);
    expect(log.join()).not.toContain("s3cret");
  });

  it("that fails is retried after a pause, reported once, and used again after it recovers", async () => {
    let healthy = false;
    const { received, url, oauth2 } = await setUp((issued) => (healthy ? token(issued, 60) : failed(503)));
    const { scrape, failure, log, clock } = await scraperWith({ db: { oauth2 } });
    for (let times = 0; times < 5; times++) expect(await failure(url, "db")).toMatch(/status 503$/);
    expect(received).toHaveLength(1);
    healthy = true;
    clock.advance(2);
    expect((await scrape(url, "db")).samples).toBe(1);
    expect(log).toEqual([
      expect.stringMatching(/^warn: cannot get a token from the token server/),
      expect.stringMatching(/^info: token server recovered/),
    ]);
  });

  it("that is slow makes one scrape time out and serves the next one", async () => {
    let release = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { received, url, oauth2 } = await setUp(async (issued) => {
      await slow;
      return token(issued);
    });
    const { scrape, failure } = await scraperWith({ db: { oauth2 } }, tempFolder(), 0.3);
    expect(await failure(url, "db")).toBe("not scraped: no credentials within 0.3 s");
    release();
    await expect.poll(() => scrape(url, "db").catch(() => undefined)).toMatchObject({ samples: 1 });
    expect(received).toHaveLength(1);
  });

  it("that never responds causes a timeout", async () => {
    const silent = await startTcpTarget(() => undefined);
    const target = await startTarget(answerWith("up 1\n"));
    const { failure } = await scraperWith({ db: { oauth2: { client_id: "me", token_url: silent.url } } });
    expect(await failure(target.url, "db")).toBe(`${notScraped}no complete response within 0.5 s`);
  });

  it("that never responds does not prevent closing the scraper", async () => {
    const silent = await startTcpTarget(() => undefined);
    const { scraper } = await scraperWith({ db: { oauth2: { client_id: "me", token_url: silent.url } } });
    const abort = new AbortController();
    const scrape = scraper.scrape("http://127.0.0.1:9/", abort.signal, "db").catch((error) => error.outcome);
    abort.abort();
    expect(await scrape).toBe("aborted");
    await scraper.close();
  });
});
