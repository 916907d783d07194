import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/errors.js";
import { describeUnless } from "../../support/describe-unless.js";
import { startNginx } from "../../support/nginx.js";
import { isOnPath } from "../../support/program.js";
import { type Answer, answerWith, startTarget } from "../../support/target-server.js";
import { tempFolder } from "../../support/temp-folder.js";
import { scraperWith } from "./setup.js";

const metrics = answerWith("up 1\n");

/** Answers with metrics where the header Authorization is the right one at the moment, else with 401. */
function guarded(isRight: (authorization: string | undefined) => boolean): Answer {
  return (request, response) => {
    if (isRight(request.headers.authorization)) metrics(request, response);
    else response.writeHead(401).end();
  };
}

const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

describe("a target behind credentials", () => {
  it("is scraped with a user and a password, from the file or from files beside it", async () => {
    const target = await startTarget(guarded((value) => value === basic("prometheus", "s3cret: ü")));
    const folder = tempFolder();
    writeFileSync(join(folder, "user"), "prometheus\n");
    writeFileSync(join(folder, "password"), " s3cret: ü\n");
    const { scrape, failure } = await scraperWith(
      {
        inline: { basic_auth: { username: "prometheus", password: "s3cret: ü" } },
        files: { basic_auth: { username_file: "user", password_file: "password" } },
        wrong: { basic_auth: { username: "prometheus", password: "other" } },
      },
      folder,
    );
    expect((await scrape(target.url, "inline")).samples).toBe(1);
    expect((await scrape(target.url, "files")).samples).toBe(1);
    expect(await failure(target.url, "wrong")).toBe("HTTP status 401");
    expect(await failure(target.url)).toBe("HTTP status 401");
  });

  it("is scraped with a bearer token, or another type of authorization", async () => {
    const target = await startTarget(guarded((value) => value === "Bearer t0ken" || value === "Token t0ken"));
    const folder = tempFolder();
    writeFileSync(join(folder, "token"), "t0ken\n");
    const { scrape } = await scraperWith(
      {
        bearer: { authorization: { credentials: "t0ken" } },
        other: { authorization: { type: "Token", credentials_file: "token" } },
      },
      folder,
    );
    expect((await scrape(target.url, "bearer")).samples).toBe(1);
    expect((await scrape(target.url, "other")).samples).toBe(1);
  });

  it("gets headers of its own, each with all its values", async () => {
    let headers = {};
    const target = await startTarget((request, response) => {
      headers = request.headersDistinct;
      metrics(request, response);
    });
    const folder = tempFolder();
    writeFileSync(join(folder, "c"), "c\n");
    const { scrape } = await scraperWith(
      { db: { http_headers: { "X-Tenant": { values: ["a"], secrets: ["b"], files: ["c"] } } } },
      folder,
    );
    await scrape(target.url, "db");
    expect(headers).toMatchObject({ "x-tenant": ["a", "b", "c"], "user-agent": ["test"] });
  });

  it("gets those of the entry default where it asks for none, and none by an empty entry", async () => {
    const seen: (string | undefined)[] = [];
    const target = await startTarget((request, response) => {
      seen.push(request.headers.authorization);
      metrics(request, response);
    });
    const { scrape } = await scraperWith({ default: { authorization: { credentials: "t" } }, open: {} });
    await scrape(target.url);
    await scrape(target.url, "default");
    await scrape(target.url, "open");
    expect(seen).toEqual(["Bearer t", "Bearer t", undefined]);
  });

  it("that no entry is for is scraped without, where there is no default", async () => {
    const target = await startTarget(guarded((value) => value === undefined));
    const { scrape } = await scraperWith({ db: { authorization: { credentials: "t" } } });
    expect((await scrape(target.url)).samples).toBe(1);
  });

  it("is not asked at all where its entry is not there", async () => {
    const target = await startTarget(metrics);
    const { scraper, failure } = await scraperWith({ default: {} });
    expect(await failure(target.url, "nobody")).toMatch(/^not asked: SCRAPE_AUTH_FILE has no entry "nobody"/);
    await expect(scraper.scrape(target.url, AbortSignal.timeout(9e3), "nobody")).rejects.toMatchObject({
      outcome: "credentials",
    });
    expect(target.requests).toEqual([]);
  });
});

describe("credentials stay with the target", () => {
  it("that redirects: to the same host and port they go along, to no other", async () => {
    const elsewhere = await startTarget(metrics);
    const right = guarded((value) => value === "Bearer t");
    const target = await startTarget((request, response) => {
      if (request.url === "/metrics") response.writeHead(302, { location: "/here" }).end();
      else if (request.url === "/away") response.writeHead(302, { location: elsewhere.url }).end();
      else right(request, response);
    });
    const { scrape, failure } = await scraperWith({ db: { authorization: { credentials: "t" } } });
    expect((await scrape(target.url, "db")).samples).toBe(1);
    expect(await failure(target.url.replace("metrics", "away"), "db")).toMatch(/redirected to another host/);
    expect(elsewhere.requests).toEqual([]);
  });

  it("whose redirects are not followed where that is said", async () => {
    const target = await startTarget((_request, response) =>
      response.writeHead(302, { location: "/x" }).end(),
    );
    const { failure } = await scraperWith({ db: { follow_redirects: false } });
    expect(await failure(target.url, "db")).toBe("HTTP status 302");
    expect(target.requests).toEqual(["GET /metrics"]);
  });
});

describe("a file that changes", () => {
  it("is seen: a rotated password counts from then on", async () => {
    let password = "first";
    const target = await startTarget(guarded((value) => value === basic("me", password)));
    const folder = tempFolder();
    writeFileSync(join(folder, "password"), password);
    const set = await scraperWith(
      { db: { basic_auth: { username: "me", password_file: "password" } } },
      folder,
    );
    await set.scrape(target.url, "db");
    password = "other";
    expect(await set.failure(target.url, "db")).toBe("HTTP status 401");
    set.write("password", password);
    set.later();
    expect((await set.scrape(target.url, "db")).samples).toBe(1);
  });

  it("and is gone, or empty, leaves the secret as it was, and is told once, and when it is back", async () => {
    const target = await startTarget(guarded((value) => value === "Bearer t"));
    const folder = tempFolder();
    writeFileSync(join(folder, "token"), "t");
    const set = await scraperWith({ db: { authorization: { credentials_file: "token" } } }, folder);
    set.write("token", "\n");
    for (let round = 0; round < 3; round++) {
      set.later();
      expect((await set.scrape(target.url, "db")).samples).toBe(1);
    }
    expect(set.log).toEqual([
      expect.stringMatching(/^warn: .*goes on .*"db".*authorization\.credentials_file: .*token is empty/),
    ]);
    rmSync(join(folder, "token"));
    set.later();
    expect((await set.scrape(target.url, "db")).samples).toBe(1);
    set.write("token", "t");
    set.later();
    await set.scrape(target.url, "db");
    expect(set.log.slice(1)).toEqual([
      expect.stringMatching(/^warn: .*ENOENT/),
      expect.stringMatching(/^info: .*can be used again/),
    ]);
  });

  it("and is SCRAPE_AUTH_FILE itself: entries come, change and go", async () => {
    const seen: (string | undefined)[] = [];
    const target = await startTarget((request, response) => {
      seen.push(request.headers.authorization);
      metrics(request, response);
    });
    const entry = (credentials: string) => ({ authorization: { credentials } });
    const set = await scraperWith({ a: entry("a1"), b: entry("b") });
    await set.scrape(target.url, "a");
    set.change({ a: entry("a2"), c: entry("c") });
    set.later();
    await set.scrape(target.url, "a");
    await set.scrape(target.url, "c");
    expect(await set.failure(target.url, "b")).toMatch(/no entry "b"/);
    expect(seen).toEqual(["Bearer a1", "Bearer a2", "Bearer c"]);
  });

  it.each([
    ["is no YAML", "db: {", /neither YAML nor JSON/],
    ["has an unknown key", "db: {foo: 1}", /entry \\"db\\": the configuration has the unknown key foo/],
    [
      "names a file that is not there",
      "db: {authorization: {credentials_file: gone}}",
      /gone must be a readable/,
    ],
  ])("and then %s leaves all as it was, and is told once", async (_title, text, problem) => {
    const target = await startTarget(guarded((value) => value === "Bearer t"));
    const set = await scraperWith({ db: { authorization: { credentials: "t" } } });
    set.change(text);
    for (let round = 0; round < 3; round++) {
      set.later();
      expect((await set.scrape(target.url, "db")).samples).toBe(1);
    }
    expect(set.log).toEqual([
      expect.stringMatching(/^error: SCRAPE_AUTH_FILE cannot be used: what it said before/),
    ]);
    expect(set.log[0]).toMatch(problem);
    set.change({ db: { authorization: { credentials: "t" } } });
    set.later();
    await set.scrape(target.url, "db");
    expect(set.log.at(-1)).toMatch(/^info: SCRAPE_AUTH_FILE can be used again/);
  });

  it("and then is no YAML is told with line and column, and with nothing that stands in it", async () => {
    const target = await startTarget(metrics);
    const set = await scraperWith({ db: { authorization: { credentials: "t" } } });
    set.change("db:\n  basic_auth: {username: a, password: *hunter2}\n");
    set.later();
    await set.scrape(target.url, "db");
    expect(set.log).toEqual([expect.stringMatching(/neither YAML nor JSON: line 2, column 39: /)]);
    expect(set.log.join()).not.toContain("hunter2");
  });

  it("is looked at once a second at most, however many targets ask", async () => {
    const target = await startTarget(metrics);
    const set = await scraperWith({ default: {} });
    set.change("{");
    for (let round = 0; round < 20; round++) await set.scrape(target.url);
    expect(set.log).toEqual([]);
    set.later();
    await Promise.all(Array.from({ length: 20 }, () => set.scrape(target.url)));
    expect(set.log).toHaveLength(1);
  });
});

describe("a start with a SCRAPE_AUTH_FILE that cannot be used", () => {
  async function problemsOf(entries: object | string): Promise<readonly string[]> {
    const failure: unknown = await scraperWith(entries).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(ConfigError);
    return (failure as ConfigError).problems;
  }

  it("fails with one line for each fault, naming file, entry, key and what is allowed", async () => {
    expect(await problemsOf({ a: { basic: {} }, b: { follow_redirects: "x" } })).toEqual([
      expect.stringMatching(
        /^SCRAPE_AUTH_FILE=".*auth\.yml" cannot be used: entry "a": .*unknown key basic; allowed/,
      ),
      expect.stringMatching(/entry "b": follow_redirects must be true or false$/),
    ]);
  });

  it("names every file that it cannot read", async () => {
    const entry = { authorization: { credentials_file: "/nowhere/token" } };
    expect(await problemsOf({ a: entry, b: entry })).toEqual([
      expect.stringMatching(
        /entry "a": authorization\.credentials_file: \/nowhere\/token must be a readable file \(ENOENT\)/,
      ),
      expect.stringMatching(/entry "b"/),
    ]);
  });

  it.each([
    [{ tls_config: { ca: "no certificate" } }, /tls_config\.ca must hold certificates in PEM/],
    [{ tls_config: { cert: "x", key: "y" } }, /tls_config\.cert must hold certificates in PEM/],
    [{ basic_auth: { username: "a:b" } }, /basic_auth\.username must hold no colon/],
  ])("%j", async (entry, problem) => {
    expect(await problemsOf({ db: entry })).toEqual([expect.stringMatching(problem)]);
  });
});

describeUnless(isOnPath("nginx") ? undefined : "nginx is not there", "nginx with a password file", () => {
  it("lets the scrape in with the right password only", async () => {
    const folder = tempFolder();
    writeFileSync(join(folder, "users"), "prometheus:{PLAIN}s3cret\n");
    writeFileSync(join(folder, "metrics"), "up 1\n");
    const { port } = await startNginx(
      "",
      `default_type text/plain; root ${folder}; auth_basic metrics; auth_basic_user_file ${folder}/users;`,
    );
    const { scrape, failure } = await scraperWith({
      right: { basic_auth: { username: "prometheus", password: "s3cret" } },
      wrong: { basic_auth: { username: "prometheus", password: "secret" } },
    });
    const url = `http://127.0.0.1:${port}/metrics`;
    expect((await scrape(url, "right")).samples).toBe(1);
    expect(await failure(url, "wrong")).toBe("HTTP status 401");
  });
});
