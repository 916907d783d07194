import { execFile } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { bareEnvironment, builtProgram, requireBuild, startBuiltProxy } from "../support/built-proxy.js";
import { freePort } from "../support/free-port.js";
import { answerWith, startTarget } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";

beforeAll(requireBuild);

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(args: string[], settings: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [builtProgram, ...args],
      { env: bareEnvironment(settings) },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err });
      },
    );
  });
}

function targetsFile(...targets: string[]): string {
  const file = join(tempFolder(), "targets.json");
  writeFileSync(
    file,
    JSON.stringify(
      targets.map((target) => ({ targets: [target], labels: { job: "app", instance: target } })),
    ),
  );
  return file;
}

describe("a misspelt variable", () => {
  it("is reported at start and in check-config", async () => {
    const settings = { SCRAPE_INTERVALL: "5", TARGETS_FILE: targetsFile() };
    const warning = "unknown variable SCRAPE_INTERVALL: did you mean SCRAPE_INTERVAL?";
    const { code, out } = await run(["check-config"], settings);
    expect(code).toBe(0);
    expect(out).toContain(`\nwarning: ${warning}\n`);
    const proxy = await startBuiltProxy(settings, "/-/healthy");
    expect(proxy.log()).toContain(warning);
  });
});

describe("the output for a terminal", () => {
  it("of scan escapes the texts of targets", async () => {
    const target = await startTarget((_request, response) => {
      response.setHeader("Content-Encoding", "\x9b31m\xad");
      response.end("a 1\n");
    });
    const file = join(tempFolder(), "targets.json");
    const labels = { job: "app", team: "\x1b[31m", __metrics_path__: "/\u202etxt" };
    writeFileSync(file, JSON.stringify([{ targets: [new URL(target.url).host], labels }]));
    const { out, err } = await run(["scan"], { TARGETS_FILE: file });
    expect(out).toContain("unsupported content encoding");
    expect((out + err).replaceAll("\n", "")).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u);
  });

  it("of errors escapes file names", async () => {
    const { code, err } = await run(["check-config"], { WEB_CONFIG_FILE: "/nowhere/\x1b]0;owned\x07\u202e" });
    expect(code).toBe(1);
    expect(err).toContain("\\u001b]0;owned\\u0007\\u202e");
    expect(err.replaceAll("\n", "")).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u);
  });
});

describe("a start that fails", () => {
  it("reports all invalid settings at once, one line each, and exits with 1", async () => {
    const { code, out, err } = await run([], { SCRAPE_INTERVAL: "abc", PORTS: "99999" });
    expect(code).toBe(1);
    expect(out).toBe("");
    const lines = err.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^SCRAPE_INTERVAL="abc" is invalid: must be .*1 to 3600/);
    expect(lines[1]).toMatch(/^PORTS="99999" is invalid: must be .*1 to 65535/);
  });

  it("includes the misspelt variables", async () => {
    const { code, err } = await run([], { PEERS: "a", SSHPAS: "a long enough secret" });
    expect(code).toBe(1);
    expect(err.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/^SSHPASS is not set/),
      "unknown variable SSHPAS: did you mean SSHPASS?",
    ]);
  });

  it("reports problems of the web configuration, also in check-config", async () => {
    const file = join(tempFolder(), "web.yml");
    writeFileSync(file, "tls_server_config: { cert: a }\nbasic_auth_user: {}\n");
    for (const command of ["serve", "check-config"]) {
      const { code, out, err } = await run([command], { WEB_CONFIG_FILE: file });
      expect(code).toBe(1);
      expect(out).toBe("");
      expect(err).toBe(
        `WEB_CONFIG_FILE ${file}: the file has the unknown key basic_auth_user; allowed keys: tls_server_config, http_server_config, basic_auth_users, rate_limit\n`,
      );
    }
  });

  it("reports the address that is in use", async () => {
    const target = await startTarget(answerWith("up 1\n"));
    const { code, err } = await run(["serve"], { LISTEN_ADDRESS: `127.0.0.1:${target.port}` });
    expect(code).toBe(1);
    expect(err).toMatch(/LISTEN_ADDRESS .* another program listens on it/);
  });
});

describe("serve", () => {
  it("scrapes, serves, and stops on SIGTERM", async () => {
    const target = await startTarget(answerWith("up 1\n"));
    const { get, child, ended, log } = await startBuiltProxy({
      TARGETS_FILE: targetsFile(`127.0.0.1:${target.port}`),
    });
    expect(await get("/app/metrics")).toEqual({ status: 200, text: "up 1\n" });
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    const lines = log()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).message);
    expect(lines.at(-1)).toBe("stopped");
  });

  it("stops on a signal while it waits for an engine that hangs", async () => {
    const engine = createServer((socket) => void socket.on("error", () => undefined));
    await new Promise<void>((resolve) => engine.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void engine.close());
    const { port } = engine.address() as AddressInfo;
    const settings = { DOCKER_HOST: `tcp://127.0.0.1:${port}`, SCRAPE_INTERVAL: "60" };
    const { child, ended, log } = await startBuiltProxy(settings, "/-/healthy");
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(log()).not.toContain('"level":"error"');
  });

  it("serves the cache of a killed process before its first scan ends", async () => {
    const cache = tempFolder();
    const target = await startTarget(answerWith("up 1\n"));
    const file = targetsFile(`127.0.0.1:${target.port}`);
    const first = await startBuiltProxy({ TARGETS_FILE: file, CACHE_DIR: cache, SCRAPE_INTERVAL: "60" });
    // A scrape counts once the batch after it is on disk.
    const isLogged = () =>
      readdirSync(cache)
        .filter((name) => name.endsWith(".tar"))
        .map((name) => readFileSync(join(cache, name), "latin1"))
        .some((tar) => /\/app\/[^/]+\/\d+-[0-9a-f]{8}\.gz.*\.batch\.json\.gz/s.test(tar));
    await vi.waitFor(() => expect(isLogged()).toBe(true));
    first.child.kill("SIGKILL");
    await first.ended;
    await target.close();
    const second = await startBuiltProxy({ TARGETS_FILE: file, CACHE_DIR: cache, SCRAPE_INTERVAL: "60" });
    expect((await second.get("/app/metrics")).text).toBe("up 1\n");
    expect(JSON.parse((await second.get("/targets")).text).targets[0]).toMatchObject({
      state: "down",
      reason: "connection refused",
    });
  });

  it("exits with 1 if another proxy uses CACHE_DIR", async () => {
    const settings = { CACHE_DIR: tempFolder(), TARGETS_FILE: targetsFile() };
    const first = await startBuiltProxy(settings, "/-/healthy");
    const { code, err } = await run([], { ...settings, LISTEN_ADDRESS: `127.0.0.1:${await freePort()}` });
    expect(code).toBe(1);
    expect(err).toBe(
      `CACHE_DIR ${settings.CACHE_DIR} is used by another proxy: give each proxy its own folder\n`,
    );
    expect((await first.get("/-/healthy")).status).toBe(200);
  });

  it("exits with 1 if others can write to CACHE_DIR", async () => {
    const settings = { CACHE_DIR: tempFolder(), TARGETS_FILE: targetsFile() };
    chmodSync(settings.CACHE_DIR, 0o777);
    const { code, err } = await run([], settings);
    expect(code).toBe(1);
    expect(err).toMatch(
      /^CACHE_DIR \S+ is not safe: \S+ is writable for other users: run "chmod go-w" on it, or .*\n$/,
    );
  });

  it("shows no secret in its log, on its pages or in check-config", async () => {
    const secret = "a-secret-that-never-shows";
    const settings = { SSHPASS: secret, BEARER_TOKEN: secret };
    const { get, log } = await startBuiltProxy({ ...settings, LOG_LEVEL: "debug" });
    const pages = await Promise.all(
      ["/", "/targets", "/metrics"].map(async (path) => (await get(path, `Bearer ${secret}`)).text),
    );
    const { out } = await run(["check-config"], settings);
    expect(out).toContain("SSHPASS=[hidden]");
    expect(out).toContain("BEARER_TOKEN=[hidden]");
    expect([...pages, log(), out].join("")).not.toContain(secret);
  });
});

describe("SCRAPE_AUTH_FILE", () => {
  const authFile = (entries: object | string) => {
    const file = join(tempFolder(), "auth.json");
    writeFileSync(file, typeof entries === "string" ? entries : JSON.stringify(entries));
    return file;
  };
  const targets = (...groups: object[]) => {
    const file = join(tempFolder(), "targets.json");
    writeFileSync(file, JSON.stringify(groups));
    return file;
  };

  it("shows the names of credentials, but not their contents", async () => {
    const secret = "a-password-that-never-shows";
    const wanted = `Basic ${Buffer.from(`me:${secret}`).toString("base64")}`;
    const target = await startTarget((request, response) => {
      if (request.headers.authorization === wanted) answerWith("up 1\n")(request, response);
      else response.writeHead(401).end();
    });
    const host = `127.0.0.1:${target.port}`;
    const labels = (instance: string, __auth__: string) => ({ job: "app", instance, __auth__ });
    const settings = {
      SCRAPE_AUTH_FILE: authFile({
        team: { basic_auth: { username: "me", password: secret } },
        other: { basic_auth: { username: "me", password: `not-${secret}` } },
        proxied: { proxy_url: `http://me:${secret}@127.0.0.1:9` },
      }),
      TARGETS_FILE: targets(
        { targets: [host], labels: labels("a", "team") },
        { targets: [host], labels: labels("b", "other") },
        { targets: [host], labels: labels("c", "missing") },
        { targets: [host], labels: labels("d", "proxied") },
      ),
      LOG_LEVEL: "debug",
    };
    const { get, log } = await startBuiltProxy(settings);
    await vi.waitFor(async () => expect((await get("/app/a/metrics")).text).toBe("up 1\n"), 5000);
    const pages = await Promise.all(
      ["/", "/targets", "/metrics", "/discovery"].map(async (path) => (await get(path)).text),
    );
    expect(JSON.parse(pages[1] ?? "").targets).toMatchObject([
      { replica: "a", state: "up", auth: "team" },
      { replica: "b", state: "down", reason: "HTTP status 401" },
      { replica: "c", state: "down", reason: expect.stringMatching(/no entry "missing"/) },
      { replica: "d", state: "down", reason: "connection refused" },
    ]);
    expect(log().match(/target not scraped/g)).toHaveLength(1);
    const checked = await run(["check-config"], settings);
    const scanned = await run(["scan"], settings);
    expect(scanned.out).toMatch(/app +a +up/);
    const all = [...pages, log(), checked.out, checked.err, scanned.out, scanned.err].join("");
    expect(all).not.toContain(secret);
    expect(all).not.toContain(wanted.slice(6));
  });

  it.each(["serve", "scan", "check-config"])(
    "stops %s with its problems if it is invalid",
    async (command) => {
      const file = authFile({
        team: { basic_auth: { user: "me", password: "a-secret" } },
        b: { tls_config: [] },
      });
      const { code, out, err } = await run([command], { SCRAPE_AUTH_FILE: file });
      expect(code).toBe(1);
      expect(err.trim().split("\n")).toEqual([
        `SCRAPE_AUTH_FILE=${JSON.stringify(file)} cannot be used: entry "team": basic_auth has the unknown key user; allowed keys: username, username_file, password, password_file`,
        `SCRAPE_AUTH_FILE=${JSON.stringify(file)} cannot be used: entry "b": tls_config must be a mapping`,
      ]);
      expect(out).not.toContain("a-secret");
    },
  );
});

describe("scan", () => {
  it("prints targets with URL or reason, and exits with 0", async () => {
    const target = await startTarget(answerWith("up 1\n"));
    const closed = await freePort();
    const file = targetsFile(`127.0.0.1:${target.port}`, `127.0.0.1:${closed}`);
    const { code, out } = await run(["scan"], { TARGETS_FILE: file });
    expect(code).toBe(0);
    expect(out).toMatch(/^NAME +REPLICA +STATE +SAMPLES +URL OR REASON\n/);
    expect(out).toMatch(
      new RegExp(`app +127.0.0.1:${target.port} +up +1 +http://127.0.0.1:${target.port}/metrics\n`),
    );
    expect(out).toMatch(new RegExp(`app +127.0.0.1:${closed} +down +connection refused\n`));
  });

  it("exits with 1 and the reasons if no provider could list its targets", async () => {
    const { code, out, err } = await run(["scan"], { TARGETS_FILE: "/nowhere/targets.json" });
    expect(code).toBe(1);
    expect(out).toBe("");
    expect(err).toMatch(
      /no provider could list its targets: docker: .*; file: TARGETS_FILE \/nowhere\/targets.json/,
    );
  });
});

describe("healthcheck", () => {
  it("exits with 0 if the proxy is healthy and with 1 if it does not respond", async () => {
    const { port } = await startBuiltProxy({});
    expect((await run(["healthcheck"], { LISTEN_ADDRESS: `127.0.0.1:${port}` })).code).toBe(0);
    const failed = await run(["healthcheck"], { LISTEN_ADDRESS: `127.0.0.1:${await freePort()}` });
    expect(failed.code).toBe(1);
    expect(failed.err).toMatch(/^unhealthy: .*ECONNREFUSED/);
  });
});

describe("the command line", () => {
  it("prints its version and its commands", async () => {
    expect((await run(["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    const { out } = await run(["--help"]);
    for (const command of ["serve", "scan", "check-config", "healthcheck"]) expect(out).toContain(command);
  });

  it("rejects unknown commands and options", async () => {
    const { code, err } = await run(["frobnicate"]);
    expect(code).toBe(1);
    expect(err).toContain("unknown command 'frobnicate'");
  });
});
