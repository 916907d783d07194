import { writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createAuthority } from "../../support/certificates.js";
import { type Answer, answerWith, startTarget, startTcpTarget } from "../../support/target-server.js";
import { tempFolder } from "../../support/temp-folder.js";
import { scraperWith } from "./setup.js";

/** A token server that gives `token-1`, `token-2`, …, and the target that takes the one it gave last. */
async function setUp(answer?: (given: string, request: Asked) => Response | Promise<Response>) {
  const asked: Asked[] = [];
  const gives = answer ?? ((given) => token(given));
  let valid = "";
  const reply: Answer = (request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", async () => {
      const form = Object.fromEntries(new URLSearchParams(body));
      const about: Asked = { method: request.method, authorization: request.headers.authorization, form };
      asked.push(about);
      valid = `token-${asked.length}`;
      const given = await gives(valid, about);
      response.writeHead(given.status, { "content-type": "application/json" }).end(await given.text());
    });
  };
  const server = await startTarget(reply);
  const target = await startTarget((request, response) => {
    if (request.headers.authorization === `Bearer ${valid}`) answerWith("up 1\n")(request, response);
    else response.writeHead(401).end();
  });
  return {
    asked,
    reply,
    url: target.url,
    requests: target.requests,
    /** From now on the target refuses what was given before. */
    revoke: () => (valid = "revoked"),
    oauth2: { client_id: "me", client_secret: "s3cret", token_url: `http://127.0.0.1:${server.port}/token` },
  };
}

interface Asked {
  readonly method: string | undefined;
  readonly authorization: string | undefined;
  readonly form: Record<string, string>;
}

const token = (value: string, expires_in?: unknown) =>
  Response.json({ access_token: value, token_type: "Bearer", expires_in });
const failed = (status: number, body: object = {}) => Response.json(body, { status });
const pair = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

describe("a target behind OAuth 2", () => {
  it("is scraped with a token, which is asked for once", async () => {
    const { asked, url, oauth2 } = await setUp();
    const { scrape } = await scraperWith({
      db: { oauth2: { ...oauth2, scopes: ["read", "metrics"], endpoint_params: { audience: "db" } } },
    });
    const all = await Promise.all(Array.from({ length: 10 }, () => scrape(url, "db")));
    expect(all.map(({ samples }) => samples)).toEqual(Array(10).fill(1));
    expect(asked).toEqual([
      {
        method: "POST",
        authorization: pair("me:s3cret"),
        form: { grant_type: "client_credentials", scope: "read metrics", audience: "db" },
      },
    ]);
  });

  it("whose server wants the client in the form is asked so when it refuses the other way", async () => {
    const { asked, url, oauth2 } = await setUp((given, { authorization }) =>
      authorization === undefined ? token(given) : failed(401, { error: "invalid_client" }),
    );
    const { scrape } = await scraperWith({ db: { oauth2 } });
    expect((await scrape(url, "db")).samples).toBe(1);
    expect(asked[1]?.form).toMatchObject({ client_id: "me", client_secret: "s3cret" });
  });

  it("gets the next token before the first one ends", async () => {
    const { asked, url, oauth2 } = await setUp((given) => token(given, 100));
    const { scrape, clock } = await scraperWith({ db: { oauth2 } });
    await scrape(url, "db");
    clock.advance(79);
    await scrape(url, "db");
    expect(asked).toHaveLength(1);
    clock.advance(20);
    // The first one is still sent; this target knows only the newest, and the scrape is tried again with that.
    expect((await scrape(url, "db")).samples).toBe(1);
    expect(asked).toHaveLength(2);
  });

  it("is tried again with a new token where the first one ended early", async () => {
    const { asked, url, oauth2, revoke } = await setUp((given) => token(given, 3600));
    const { scrape, clock } = await scraperWith({ db: { oauth2 } });
    await scrape(url, "db");
    clock.advance(60);
    revoke();
    expect((await scrape(url, "db")).samples).toBe(1);
    expect(asked).toHaveLength(2);
  });

  it("that refuses every token does not make the token server be asked again and again", async () => {
    const { asked, oauth2 } = await setUp((given) => token(given, 3600));
    const refusing = await startTarget((_request, response) => response.writeHead(401).end());
    const { failure, clock } = await scraperWith({ db: { oauth2 } });
    for (let second = 0; second < 20; second++) {
      expect(await failure(refusing.url, "db")).toBe("HTTP status 401");
      clock.advance(1);
    }
    expect(asked.length).toBeLessThanOrEqual(4);
  });

  it("is asked with the secret that its file holds now", async () => {
    const { asked, url, oauth2 } = await setUp((given) => token(given, 100));
    const folder = tempFolder();
    writeFileSync(join(folder, "secret"), "one");
    const { client_secret: _, ...rest } = oauth2;
    const set = await scraperWith({ db: { oauth2: { ...rest, client_secret_file: "secret" } } }, folder);
    await set.scrape(url, "db");
    set.write("secret", "two\n");
    set.later();
    await set.scrape(url, "db");
    await expect
      .poll(() => asked.map(({ authorization }) => authorization))
      .toEqual([pair("me:one"), pair("me:two")]);
  });

  it("has a token server behind TLS of its own", async () => {
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
    expect(await failure(url, "bad")).toMatch(
      /its token server gives no token: UNABLE_TO_VERIFY_LEAF_SIGNATURE$/,
    );
  });
});

describe("a token server", () => {
  const refused = 'not asked: the entry "db" of SCRAPE_AUTH_FILE: its token server gives no token: ';

  it.each([
    ["fails", () => failed(500), "it answered with status 500"],
    [
      "refuses the client",
      () => failed(401, { error: "invalid_client", error_description: "s3cret is wrong" }),
      "it answered with status 401: invalid_client",
    ],
    ["redirects", () => new Response("", { status: 302 }), "it answered with status 302"],
    ["gives no token", () => Response.json({}), "its answer holds no usable access_token"],
    [
      "gives a token that no header can carry",
      () => token("a\nb"),
      "its answer holds no usable access_token",
    ],
    ["speaks no JSON", () => new Response("token"), "its answer holds no usable access_token"],
    [
      "gives another type of token",
      () => Response.json({ access_token: "a", token_type: "mac" }),
      "its token is of a type other than Bearer",
    ],
    [
      "says nonsense about its end",
      () => token("a", "soon"),
      "its answer holds an expires_in that is no number",
    ],
    ["answers without end", () => new Response("x".repeat(100_000)), "its answer is longer than 65536 bytes"],
  ])("that %s is told, and the target is not asked", async (_title, answer, reason) => {
    const { url, oauth2, requests } = await setUp(answer);
    const { failure, log } = await scraperWith({ db: { oauth2 } });
    expect(await failure(url, "db")).toBe(refused + reason);
    expect(requests).toEqual([]);
    expect(log).toEqual([
      expect.stringMatching(/^warn: a token server gives no token: .*"127\.0\.0\.1:\d+"/),
    ]);
    expect(log.join()).not.toContain("s3cret");
  });

  it("that fails is left alone for a while, told once, and used again when it is well", async () => {
    let well = false;
    const { asked, url, oauth2 } = await setUp((given) => (well ? token(given, 60) : failed(503)));
    const { scrape, failure, log, clock } = await scraperWith({ db: { oauth2 } });
    for (let times = 0; times < 5; times++) expect(await failure(url, "db")).toMatch(/status 503$/);
    expect(asked).toHaveLength(1);
    well = true;
    clock.advance(2);
    expect((await scrape(url, "db")).samples).toBe(1);
    expect(log).toEqual([
      expect.stringMatching(/^warn: a token server gives no token/),
      expect.stringMatching(/^info: a token server gives tokens again/),
    ]);
  });

  it("that is slow makes a scrape fail in its time, and serves the next one", async () => {
    let release = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { asked, url, oauth2 } = await setUp(async (given) => {
      await slow;
      return token(given);
    });
    const { scrape, failure } = await scraperWith({ db: { oauth2 } }, tempFolder(), 0.3);
    expect(await failure(url, "db")).toBe("not scraped: no credentials within 0.3 s");
    release();
    await expect.poll(() => scrape(url, "db").catch(() => undefined)).toMatchObject({ samples: 1 });
    expect(asked).toHaveLength(1);
  });

  it("that never answers is given up", async () => {
    const silent = await startTcpTarget(() => undefined);
    const target = await startTarget(answerWith("up 1\n"));
    const { failure } = await scraperWith({ db: { oauth2: { client_id: "me", token_url: silent.url } } });
    expect(await failure(target.url, "db")).toBe(`${refused}no complete answer within 0.5 s`);
  });

  it("that never answers does not keep the scraper from being closed", async () => {
    const silent = await startTcpTarget(() => undefined);
    const { scraper } = await scraperWith({ db: { oauth2: { client_id: "me", token_url: silent.url } } });
    const abort = new AbortController();
    const scrape = scraper.scrape("http://127.0.0.1:9/", abort.signal, "db").catch((error) => error.outcome);
    abort.abort();
    expect(await scrape).toBe("aborted");
    await scraper.close();
  });
});
