import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "../../src/config/config.js";
import { ConfigError } from "../../src/errors.js";

function problemsOf(raw: Record<string, string>): readonly string[] {
  try {
    readConfig(raw);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("the configuration", () => {
  it("has the documented defaults", () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      scrapeInterval: 10,
      metricsPath: "/metrics",
      ports: [80, 8080, 9100],
      scrapeTimeout: 8,
      scrapeConcurrency: 64,
      scrapeMaxBytes: 67_108_864,
      staleAfter: 30,
      history: 30,
      cacheDir: join(tmpdir(), "app-metrics-proxy"),
      listen: { port: 2137 },
      logLevel: "info",
      logFormat: "json",
    });
    expect(config.sshPass).toBeUndefined();
  });

  it.each([
    ["1", "0.8", 3],
    ["3", "2.4", 9],
    ["7", "5.6", 21],
    ["12", "9.6", 36],
    ["60", "10", 180],
  ])("derives timeout and staleness from an interval of %s s", (interval, timeout, staleAfter) => {
    const config = readConfig({ SCRAPE_INTERVAL: interval });
    expect(config).toMatchObject({ scrapeTimeout: Number(timeout), staleAfter });
    expect(config.variables).toMatchObject({ SCRAPE_TIMEOUT: timeout });
  });

  it("allows a timeout above the interval, and derives staleness from it", () => {
    expect(readConfig({ SCRAPE_TIMEOUT: "25" })).toMatchObject({ scrapeInterval: 10, staleAfter: 75 });
    expect(() => readConfig({ SCRAPE_TIMEOUT: "25", STALE_AFTER: "24" })).toThrow(
      'STALE_AFTER="24" is invalid: must be at least SCRAPE_INTERVAL and SCRAPE_TIMEOUT (25 s)',
    );
  });

  it("derives HISTORY from STALE_AFTER", () => {
    expect(readConfig({ STALE_AFTER: "60" }).history).toBe(60);
    expect(readConfig({ HISTORY: "3600.5" }).history).toBe(3600.5);
    expect(readConfig({ STALE_AFTER: "604800", HISTORY: "604800" }).history).toBe(604_800);
  });

  it.each([
    ["no limit", 0, 536_870_912],
    ["a limit of 1 GiB", 2 ** 30, 2 ** 29],
    ["an odd limit", 2 ** 30 + 1, 2 ** 29],
    ["a limit below the minimum", 2 ** 26, 2 ** 26],
    ["a limit above the maximum", 2 ** 45, 2 ** 40],
    ["the largest number of cgroups version 1, which means no limit", 2 ** 63 - 4096, 536_870_912],
    ["the largest number of cgroups version 2, which means no limit", 2 ** 64 - 1, 536_870_912],
  ])("derives the memory budget from %s", (_case, memoryLimit, budget) => {
    expect(readConfig({}, { memoryLimit }).memoryMaxBytes).toBe(budget);
    expect(readConfig({ MEMORY_MAX_BYTES: "100000000" }, { memoryLimit }).memoryMaxBytes).toBe(1e8);
  });

  it("reads the memory limit of the cgroup by default", () => {
    expect(readConfig({}).memoryMaxBytes).toBe(
      readConfig({}, { memoryLimit: process.constrainedMemory() }).memoryMaxBytes,
    );
  });

  it("uses the pretty log format on a terminal by default", () => {
    expect(readConfig({}, { terminal: true }).logFormat).toBe("pretty");
    expect(readConfig({ LOG_FORMAT: "json" }, { terminal: true }).logFormat).toBe("json");
  });

  it("appends the ports of PORTS, separated by spaces or commas, to the well-known ones, without duplicates", () => {
    expect(readConfig({ PORTS: "443 1201" }).ports).toEqual([80, 8080, 9100, 443, 1201]);
    expect(readConfig({ PORTS: "8080,3000, 3000" }).ports).toEqual([80, 8080, 9100, 3000]);
  });

  it("removes quotes around a value, as in a list of a compose file, but not around a secret", () => {
    const quoted = readConfig({ PORTS: '"443 1201"', METRICS_PATH: "'/m'", SSHPASS: '"a quoted secret"' });
    expect(quoted.ports).toEqual([80, 8080, 9100, 443, 1201]);
    expect(quoted.metricsPath).toBe("/m");
    expect(quoted.sshPass).toBe('"a quoted secret"');
    expect(readConfig({ PORTS: '""' }).ports).toEqual(readConfig({}).ports);
    expect(() => readConfig({ METRICS_PATH: '"/m' })).toThrow(/METRICS_PATH/);
  });

  it("treats an empty variable as unset and ignores unknown ones", () => {
    expect(readConfig({ SCRAPE_INTERVAL: "", PORTS: " ", SSHPASS: "", SOMETHING: "else" })).toEqual(
      readConfig({}),
    );
  });

  it("is deeply frozen", () => {
    const config = readConfig({});
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.listen)).toBe(true);
    expect(Object.isFrozen(config.ports)).toBe(true);
  });

  it.each([
    [":2137", { port: 2137 }],
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
    ["[::1]:2137", { host: "::1", port: 2137 }],
    ["localhost:80", { host: "localhost", port: 80 }],
  ])("listens on %s", (text, listen) => {
    expect(readConfig({ LISTEN_ADDRESS: text }).listen).toEqual(listen);
  });
});

describe("invalid values", () => {
  it.each([
    ["SCRAPE_INTERVAL", "abc"],
    ["SCRAPE_INTERVAL", "0"],
    ["SCRAPE_INTERVAL", "3601"],
    ["SCRAPE_INTERVAL", "1.5"],
    ["SCRAPE_INTERVAL", "1e3"],
    ["SCRAPE_TIMEOUT", "0"],
    ["SCRAPE_TIMEOUT", "-1"],
    ["SCRAPE_TIMEOUT", "3601"],
    ["SCRAPE_CONCURRENCY", "0"],
    ["SCRAPE_MAX_BYTES", "64M"],
    ["STALE_AFTER", "0"],
    ["STALE_AFTER", "9"],
    ["HISTORY", "0"],
    ["HISTORY", "29"],
    ["HISTORY", "604801"],
    ["MEMORY_MAX_BYTES", "67108863"],
    ["MEMORY_MAX_BYTES", "1099511627777"],
    ["MEMORY_MAX_BYTES", "512MiB"],
    ["METRICS_PATH", "metrics"],
    ["PORTS", "99999"],
    ["PORTS", "80;81"],
    ["LISTEN_ADDRESS", "2137"],
    ["LISTEN_ADDRESS", ":70000"],
    ["LISTEN_ADDRESS", "'a':2137"],
    ["SSH_LISTEN_ADDRESS", "22"],
    ["PEERS", "a/b"],
    ["PEERS", "host:99999"],
    ["PEERS", "a host:0"],
    ["PEERS", "[host]:22"],
    ["ADVERTISE_ADDRESS", "node1:0"],
    ["LISTEN_ADDRESS", "[127.0.0.1]:2137"],
    ["PEERS", 'a,"b"'],
    ["REPLICATE_TO", "some"],
    ["ADVERTISE_ADDRESS", "node1"],
    ["HOST_ADDRESS", "http://host"],
    ["HOST_ADDRESS", "192.0.2.1:80"],
    ["HOST_ADDRESS", 'a"b'],
    ["DOCKER_TLS_VERIFY", "maybe"],
    ["LOG_LEVEL", "loud"],
    ["LOG_FORMAT", "xml"],
  ])("%s=%s is rejected with name, value and what it must be", (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`${name}=${JSON.stringify(value)}`);
    expect(problems[0]).toMatch(/is invalid: must be .+/);
  });

  it("are reported all at once, one line each", () => {
    expect(problemsOf({ SCRAPE_INTERVAL: "abc", PORTS: "99999" })).toHaveLength(2);
  });

  it("cause a ConfigError with one line each, whatever they are", () => {
    const names = ["SCRAPE_INTERVAL", "PORTS", "LISTEN_ADDRESS", "SCRAPE_TIMEOUT", "METRICS_PATH", "PEERS"];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.string()), (raw) => {
        for (const problem of problemsOf(raw)) expect(problem).not.toContain("\n");
      }),
    );
  });
});

describe("unknown variables", () => {
  const warningsOf = (raw: Record<string, string>) => readConfig(raw).warnings;

  it.each([
    ["SCRAPE_INTERVALL", "SCRAPE_INTERVAL"],
    ["SCRAPE_INTERVALLS", "SCRAPE_INTERVAL"],
    ["SCRAPEINTERVAL", "SCRAPE_INTERVAL"],
    ["scrape_interval", "SCRAPE_INTERVAL"],
    ["SSHPAS", "SSHPASS"],
    ["SSH_PASS", "SSHPASS"],
    ["SSHPAS_FILE", "SSHPASS_FILE"],
    ["BEARER_TOKENFILE", "BEARER_TOKEN_FILE"],
    ["PEER", "PEERS"],
    ["LOGLEVEL", "LOG_LEVEL"],
    ["DOCKER_HOSTS", "DOCKER_HOST"],
    ["TARGET_FILE", "TARGETS_FILE"],
    ["PORT", "PORTS"],
  ])("warn for %s, which is close to %s", (name, known) => {
    expect(warningsOf({ [name]: "a value" })).toEqual([`unknown variable ${name}: did you mean ${known}?`]);
  });

  it.each([
    ...["PATH", "HOME", "HOSTNAME", "HOST", "USER", "LANG", "TERM", "PWD", "TZ", "SHELL", "EDITOR"],
    ...["HISTFILE", "HISTSIZE", "SSH_ASKPASS", "SSH_CLIENT", "SSH_TTY", "NODE_ENV", "NODE_VERSION"],
    ...["DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_API_VERSION", "DOCKER_TLS", "HTTP_PROXY", "NO_PROXY"],
    ...["SCRAPE_TIMEOUT_FILE", "PEE", "PEEERSS", "LOG", "LOG_FILE"],
  ])("do not warn for %s", (name) => {
    expect(warningsOf({ [name]: "a value" })).toEqual([]);
  });

  it("do not warn for known variables and their files", () => {
    const all = Object.fromEntries(Object.keys(readConfig({}).variables).map((name) => [name, ""]));
    expect(warningsOf({ ...all, SSHPASS_FILE: "", BEARER_TOKEN_FILE: "" })).toEqual([]);
  });

  it("are part of the error if another value is invalid", () => {
    expect(problemsOf({ PEERS: "a", SSHPAS: "a long enough secret" })).toEqual([
      expect.stringMatching(/^SSHPASS is not set/),
      "unknown variable SSHPAS: did you mean SSHPASS?",
    ]);
  });

  it("do not warn if they are empty, because empty variables count as unset", () => {
    expect(warningsOf({ SSHPAS: "" })).toEqual([]);
  });

  it("do not warn for PORT, which platforms set, if PORTS is set", () => {
    expect(warningsOf({ PORT: "80", PORTS: "443" })).toEqual([]);
  });

  it("never show a value, or a name with a line break", () => {
    expect(warningsOf({ SSHPAS: "correct horse battery" }).join()).not.toContain("correct");
    expect(warningsOf({ "SSHPAS\n": "x" })).toEqual([]);
  });
});

describe("secrets", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "config-test-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const secretFile = (content: string) => {
    const file = join(folder, "secret");
    writeFileSync(file, content);
    return file;
  };

  it("come from the variable unchanged, including spaces", () => {
    expect(readConfig({ SSHPASS: " correct horse battery " }).sshPass).toBe(" correct horse battery ");
  });

  it("come from the file that the _FILE variable names, without the last line break", () => {
    expect(readConfig({ SSHPASS_FILE: secretFile("correct horse battery\n") }).sshPass).toBe(
      "correct horse battery",
    );
  });

  it("are rejected if both variables are set, without being shown", () => {
    const problems = problemsOf({ SSHPASS: "correct horse", SSHPASS_FILE: secretFile("battery staple") });
    expect(problems).toEqual(["SSHPASS and SSHPASS_FILE are both set: set only one of them"]);
  });

  it("are rejected if the file is missing, empty or endless", () => {
    expect(problemsOf({ SSHPASS_FILE: join(folder, "none") })[0]).toMatch(/SSHPASS_FILE=.*ENOENT/);
    expect(problemsOf({ SSHPASS_FILE: secretFile("") })[0]).toMatch(/the file is empty/);
    expect(problemsOf({ SSHPASS_FILE: "/dev/zero" })[0]).toMatch(/the file exceeds 65536 bytes/);
  });

  it("cause a warning if they are short", () => {
    expect(readConfig({ SSHPASS: "short" }).warnings).toHaveLength(1);
    expect(readConfig({ SSHPASS: "short" }).warnings[0]).not.toContain("short ");
    expect(readConfig({ SSHPASS: "long enough for this" }).warnings).toEqual([]);
  });

  it("are hidden in the description of the configuration", () => {
    const shown = JSON.stringify(readConfig({ SSHPASS: "correct horse battery" }).variables);
    expect(shown).not.toContain("correct horse");
    expect(shown).toContain("[hidden]");
  });
});

describe("replication", () => {
  it("reads PEERS and has defaults for the rest", () => {
    const config = readConfig({ SSHPASS: "a long enough secret", PEERS: "a, [fd00::1]:2222 b:23" });
    expect(config.peers).toEqual(["a", "[fd00::1]:2222", "b:23"]);
    expect(config.sshListen).toEqual({ port: 22 });
    expect(config.replicateTo).toBe("all");
    expect(config.warnings).toEqual([]);
  });

  it("reports the invalid peer", () => {
    expect(problemsOf({ SSHPASS: "a long enough secret", PEERS: "a b:99999" })).toEqual([
      expect.stringMatching(/^PEERS="a b:99999" .* not "b:99999"$/),
    ]);
  });

  it("requires the secret if PEERS is set", () => {
    expect(problemsOf({ PEERS: "a" })).toEqual([
      expect.stringMatching(/^SSHPASS is not set: .*PEERS is set/),
    ]);
    expect(problemsOf({ PEERS: "a", SSHPASS_FILE: "/does/not/exist" })).toHaveLength(1);
  });
});

describe("the bearer token", () => {
  it("is read like every secret, without surrounding spaces", () => {
    expect(readConfig({ BEARER_TOKEN: " open-sesame-open " }).bearerToken).toBe("open-sesame-open");
    const folder = mkdtempSync(join(tmpdir(), "config-test-"));
    try {
      const file = join(folder, "token");
      writeFileSync(file, "open-sesame-open\n");
      expect(readConfig({ BEARER_TOKEN_FILE: file })).toMatchObject({
        bearerToken: "open-sesame-open",
        bearerTokenFile: file,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("must be valid in a header, and is not shown if it is not", () => {
    const problems = problemsOf({ BEARER_TOKEN: "open sesame" });
    expect(problems).toEqual([expect.stringMatching(/^BEARER_TOKEN is invalid: must be .*without spaces$/)]);
    expect(problemsOf({ BEARER_TOKEN_FILE: "/nowhere/token" })[0]).toMatch(/^BEARER_TOKEN_FILE="\/nowhere/);
  });

  it("causes a warning if it is short, and is hidden", () => {
    const config = readConfig({ BEARER_TOKEN: "sesame" });
    expect(config.warnings).toEqual([expect.stringMatching(/^BEARER_TOKEN is shorter than 12 characters/)]);
    expect(config.variables["BEARER_TOKEN"]).toBe("[hidden]");
  });
});
