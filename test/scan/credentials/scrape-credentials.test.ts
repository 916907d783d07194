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

/** Returns metrics if the Authorization header is accepted, else status 401. */
function guarded(accepts: (authorization: string | undefined) => boolean): Answer {
  return (request, response) => {
    if (accepts(request.headers.authorization)) metrics(request, response);
    else response.writeHead(401).end();
  };
}

const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

describe("a target that requires credentials", () => {
  it("is scraped with user and password, inline or from files", async () => {
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

  it("is scraped with a bearer token or another authorization type", async () => {
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

  it("receives custom headers with all their values", async () => {
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

  it("receives those of the entry default if it names no entry, and none with an empty entry", async () => {
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

  it("is scraped without credentials if it names no entry and there is no default", async () => {
    const target = await startTarget(guarded((value) => value === undefined));
    const { scrape } = await scraperWith({ db: { authorization: { credentials: "t" } } });
    expect((await scrape(target.url)).samples).toBe(1);
  });

  it("is not scraped if its entry does not exist", async () => {
    const target = await startTarget(metrics);
    const { scraper, failure } = await scraperWith({ default: {} });
    expect(await failure(target.url, "missing")).toMatch(
      /^not scraped: SCRAPE_AUTH_FILE has no entry "missing"/,
    );
    await expect(scraper.scrape(target.url, AbortSignal.timeout(9e3), "missing")).rejects.toMatchObject({
      outcome: "credentials",
    });
    expect(target.requests).toEqual([]);
  });
});

describe("redirects", () => {
  it("are followed with credentials to the same host and port only", async () => {
    const elsewhere = await startTarget(metrics);
    const right = guarded((value) => value === "Bearer t");
    const target = await startTarget((request, response) => {
      if (request.url === "/metrics") response.writeHead(302, { location: "/here" }).end();
      else if (request.url === "/other") response.writeHead(302, { location: elsewhere.url }).end();
      else right(request, response);
    });
    const { scrape, failure } = await scraperWith({ db: { authorization: { credentials: "t" } } });
    expect((await scrape(target.url, "db")).samples).toBe(1);
    expect(await failure(target.url.replace("metrics", "other"), "db")).toMatch(/redirected to another host/);
    expect(elsewhere.requests).toEqual([]);
  });

  it("are not followed with follow_redirects: false", async () => {
    const target = await startTarget((_request, response) =>
      response.writeHead(302, { location: "/x" }).end(),
    );
    const { failure } = await scraperWith({ db: { follow_redirects: false } });
    expect(await failure(target.url, "db")).toBe("HTTP status 302");
    expect(target.requests).toEqual(["GET /metrics"]);
  });
});

describe("a changed file", () => {
  it("is read again: a rotated password is used", async () => {
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

  it("that is missing or empty keeps the previous secret and is reported once, and its recovery too", async () => {
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
      expect.stringMatching(
        /^warn: .*keeping the previous secrets .*"db".*authorization\.credentials_file: .*token is empty/,
      ),
    ]);
    rmSync(join(folder, "token"));
    set.later();
    expect((await set.scrape(target.url, "db")).samples).toBe(1);
    set.write("token", "t");
    set.later();
    await set.scrape(target.url, "db");
    expect(set.log.slice(1)).toEqual([
      expect.stringMatching(/^warn: .*ENOENT/),
      expect.stringMatching(/^info: .*recovered/),
    ]);
  });

  it("SCRAPE_AUTH_FILE adds, changes and removes entries", async () => {
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
    ["that is not YAML", "db: {", /neither YAML nor JSON/],
    ["with an unknown key", "db: {foo: 1}", /entry \\"db\\": the configuration has the unknown key foo/],
    ["that names a missing file", "db: {authorization: {credentials_file: gone}}", /gone must be a readable/],
  ])("SCRAPE_AUTH_FILE %s keeps the previous entries and is reported once", async (_title, text, problem) => {
    const target = await startTarget(guarded((value) => value === "Bearer t"));
    const set = await scraperWith({ db: { authorization: { credentials: "t" } } });
    set.change(text);
    for (let round = 0; round < 3; round++) {
      set.later();
      expect((await set.scrape(target.url, "db")).samples).toBe(1);
    }
    expect(set.log).toEqual([
      expect.stringMatching(/^error: cannot use SCRAPE_AUTH_FILE, keeping the previous entries/),
    ]);
    expect(set.log[0]).toMatch(problem);
    set.change({ db: { authorization: { credentials: "t" } } });
    set.later();
    await set.scrape(target.url, "db");
    expect(set.log.at(-1)).toMatch(/^info: SCRAPE_AUTH_FILE recovered/);
  });

  it("with invalid YAML is reported with line and column, without its content", async () => {
    const target = await startTarget(metrics);
    const set = await scraperWith({ db: { authorization: { credentials: "t" } } });
    set.change("db:\n  basic_auth: {username: a, password: *hunter2}\n");
    set.later();
    await set.scrape(target.url, "db");
    expect(set.log).toEqual([expect.stringMatching(/neither YAML nor JSON: line 2, column 39: /)]);
    expect(set.log.join()).not.toContain("hunter2");
  });

  it("is read at most once per second, however many targets are scraped", async () => {
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

describe("start with an invalid SCRAPE_AUTH_FILE", () => {
  async function problemsOf(entries: object | string): Promise<readonly string[]> {
    const failure: unknown = await scraperWith(entries).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(ConfigError);
    return (failure as ConfigError).problems;
  }

  it("fails with one line per problem, with file, entry, key and allowed keys", async () => {
    expect(await problemsOf({ a: { basic: {} }, b: { follow_redirects: "x" } })).toEqual([
      expect.stringMatching(
        /^SCRAPE_AUTH_FILE=".*auth\.yml" cannot be used: entry "a": .*unknown key basic; allowed/,
      ),
      expect.stringMatching(/entry "b": follow_redirects must be true or false$/),
    ]);
  });

  it("reports every unreadable file", async () => {
    const entry = { authorization: { credentials_file: "/nowhere/token" } };
    expect(await problemsOf({ a: entry, b: entry })).toEqual([
      expect.stringMatching(
        /entry "a": authorization\.credentials_file: \/nowhere\/token must be a readable file \(ENOENT\)/,
      ),
      expect.stringMatching(/entry "b"/),
    ]);
  });

  it.each([
    [{ tls_config: { ca: "no certificate" } }, /tls_config\.ca must contain PEM certificates/],
    [{ tls_config: { cert: "x", key: "y" } }, /tls_config\.cert must contain PEM certificates/],
    [{ basic_auth: { username: "a:b" } }, /basic_auth\.username must not contain a colon/],
  ])("%j", async (entry, problem) => {
    expect(await problemsOf({ db: entry })).toEqual([expect.stringMatching(problem)]);
  });
});

describeUnless(isOnPath("nginx") ? undefined : "nginx is not installed", "nginx with a password file", () => {
  it("accepts only the correct password", async () => {
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
