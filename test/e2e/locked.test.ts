import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import bcrypt from "bcrypt";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { readConfig } from "../../src/config/config.js";
import { type Daemon, startDaemon } from "../../src/daemon/daemon.js";
import { silentLogger } from "../../src/logging.js";
import { type Authority, type Certificate, makeAuthority } from "../support/certificates.js";
import { describeUnless } from "../support/describe-unless.js";
import { prometheusMissing, prometheusTargets, startPrometheus } from "../support/prometheus.js";

const password = "the right one";
const token = "a-token-that-nobody-guesses";
const folder = mkdtempSync(join(tmpdir(), "locked-test-"));
const file = (name: string) => join(folder, name);
let ca: Authority;
let client: Certificate;

beforeAll(() => {
  ca = makeAuthority(folder);
  ca.issue("server");
  client = ca.issue("client", "DNS:prometheus.example");
  writeFileSync(file("targets.json"), "[]");
  writeFileSync(file("password"), `${password}\n`);
  writeFileSync(file("token"), `${token}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the proxy with a web configuration. @returns its URL. */
async function startLocked(webConfig: object, settings: Record<string, string> = {}): Promise<string> {
  const own = mkdtempSync(join(folder, "proxy-"));
  writeFileSync(join(own, "web.yml"), JSON.stringify(webConfig));
  const config = readConfig({
    LISTEN_ADDRESS: "127.0.0.1:0",
    TARGETS_FILE: file("targets.json"),
    CACHE_DIR: join(own, "cache"),
    WEB_CONFIG_FILE: join(own, "web.yml"),
    ...settings,
  });
  const daemon: Daemon = await startDaemon({ config, logger: silentLogger, version: "0" });
  onTestFinished(() => daemon.stop());
  return `https://localhost:${daemon.port}`;
}

const tls = () => ({ cert_file: file("server.pem"), key_file: file("server.key") });
const users = () => ({ prometheus: bcrypt.hashSync(password, 10).replace("$2b$", "$2y$") });

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly milliseconds: number;
}

/** Sends a request with the right password. */
function ask(url: string, path: string, agent: Agent): Promise<Reply> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    get(url + path, { agent, ca: ca.cert, auth: `prometheus:${password}` }, (response) => {
      let text = "";
      response.on("data", (data) => (text += data));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text, milliseconds: performance.now() - begun }),
      );
    }).on("error", reject);
  });
}

function keepAlive(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  return agent;
}

describeUnless(prometheusMissing(), "a real Prometheus", () => {
  it("scrapes with a password and with a token over TLS, and gets 401 without or with wrong ones", async () => {
    const url = await startLocked(
      { tls_server_config: tls(), basic_auth_users: users() },
      { BEARER_TOKEN_FILE: file("token") },
    );
    const health = await healthByJob(url, {
      password: { basic_auth: { username: "prometheus", password_file: file("password") } },
      token: { authorization: { credentials_file: file("token") } },
      nothing: {},
      "wrong password": { basic_auth: { username: "prometheus", password: "wrong" } },
      "wrong token": { authorization: { credentials: "wrong" } },
    });
    expect(health).toEqual({
      password: "up",
      token: "up",
      nothing: "server returned HTTP status 401 Unauthorized",
      "wrong password": "server returned HTTP status 401 Unauthorized",
      "wrong token": "server returned HTTP status 401 Unauthorized",
    });
  });

  it("scrapes with a client certificate, and gets no handshake without", async () => {
    const url = await startLocked({
      tls_server_config: {
        ...tls(),
        client_auth_type: "RequireAndVerifyClientCert",
        client_ca_file: ca.certFile,
        client_allowed_sans: ["prometheus.example"],
      },
    });
    const health = await healthByJob(url, {
      certificate: { tls_config: { cert_file: client.certFile, key_file: client.keyFile } },
      nothing: {},
    });
    expect(health["certificate"]).toBe("up");
    expect(health["nothing"]).toMatch(/tls: (bad certificate|certificate required)/);
  });
});

describe("a proxy with authentication", () => {
  it("serves an authenticated client while curl sends a thousand wrong passwords, and checks few of these", async () => {
    const url = await startLocked({ tls_server_config: tls(), basic_auth_users: users() });
    const agent = keepAlive();
    expect((await ask(url, "/metrics", agent)).status).toBe(200);
    const before = await passwordChecks(url, agent);

    const requests = Array.from({ length: 1000 }, (_, number) =>
      [
        `url = "${url}/metrics"`,
        `user = "prometheus:wrong ${number}"`,
        'output = "/dev/null"',
        `cacert = "${ca.certFile}"`,
        "silent",
        'write-out = "%{http_code}\\n"',
      ].join("\n"),
    );
    writeFileSync(file("curl"), requests.join("\nnext\n"));
    const begun = performance.now();
    const curl = promisify(execFile)("curl", ["--parallel", "--parallel-max", "20", "-K", file("curl")]);
    let done = false;
    const ended = curl.finally(() => (done = true));
    const scrapes: Reply[] = [];
    while (!done) {
      scrapes.push(await ask(url, "/metrics", agent));
      await sleep(10);
    }
    const { stdout } = await ended;
    const seconds = (performance.now() - begun) / 1000;
    const statuses = stdout.trim().split("\n");
    const checks = (await passwordChecks(url, agent)) - before;
    const times = scrapes.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
    const p99 = times[Math.floor(times.length * 0.99)]?.toFixed(1);
    console.log(
      `1000 wrong passwords in ${seconds.toFixed(1)} s, ${checks} checked; ${scrapes.length} scrapes meanwhile, p99 ${p99} ms`,
    );

    expect(statuses).toHaveLength(1000);
    expect(new Set(statuses)).toEqual(new Set(["401", "429"]));
    expect(scrapes.length).toBeGreaterThan(0);
    expect(new Set(scrapes.map(({ status }) => status))).toEqual(new Set([200]));
    // Per client ten at once and one every five seconds; five a second for all clients.
    expect(checks).toBeGreaterThan(0);
    expect(checks).toBeLessThanOrEqual(Math.min(10 + seconds / 5, 1 + seconds * 5) + 1);
  });

  it("uses rotated certificates without closing connections", async () => {
    const certificates = mkdtempSync(join(folder, "rotating-"));
    const place = (source: Certificate) => {
      mkdirSync(join(certificates, "new"), { recursive: true });
      for (const [name, text] of [
        ["tls.crt", source.cert],
        ["tls.key", source.key],
      ] as const) {
        writeFileSync(join(certificates, "new", name), text);
        renameSync(join(certificates, "new", name), join(certificates, name));
      }
    };
    place(ca.issue("first"));
    const url = await startLocked({
      tls_server_config: {
        cert_file: join(certificates, "tls.crt"),
        key_file: join(certificates, "tls.key"),
      },
      basic_auth_users: users(),
    });
    const kept = keepAlive();
    await ask(url, "/metrics", kept);
    const [socket] = Object.values(kept.freeSockets).flat();
    place(ca.issue("second"));
    await vi.waitFor(async () => expect(await titleOf(url)).toBe("second"), {
      timeout: 10_000,
      interval: 100,
    });
    expect((await ask(url, "/metrics", kept)).status).toBe(200);
    expect(Object.values(kept.freeSockets).flat()).toEqual([socket]);
    expect((socket as import("node:tls").TLSSocket).getPeerCertificate().subject.CN).toBe("first");
  });
});

/** Has a Prometheus scrape `/metrics` by jobs with these settings. @returns their health, or why they are down. */
async function healthByJob(url: string, jobs: Record<string, object>): Promise<Record<string, string>> {
  const scrapeConfigs = Object.entries(jobs).map(([name, settings]) => ({
    job_name: name,
    scheme: "https",
    static_configs: [{ targets: [new URL(url).host] }],
    ...settings,
    tls_config: { ca_file: ca.certFile, ...(settings as { tls_config?: object }).tls_config },
  }));
  const prometheus = await startPrometheus({
    config: { global: { scrape_interval: "1s" }, scrape_configs: scrapeConfigs },
  });
  onTestFinished(() => prometheus.stop());
  return vi.waitFor(
    async () => {
      const targets = await prometheusTargets(prometheus);
      expect(targets.map(({ health }) => health)).not.toContain("unknown");
      expect(targets).toHaveLength(scrapeConfigs.length);
      return Object.fromEntries(
        targets.map(({ scrapePool, health, lastError }) => [
          scrapePool,
          health === "up" ? health : lastError,
        ]),
      );
    },
    { timeout: 30_000, interval: 200 },
  );
}

async function passwordChecks(url: string, agent: Agent): Promise<number> {
  const { text } = await ask(url, "/metrics", agent);
  return Number(/^app_metrics_proxy_password_checks_total (\d+)$/m.exec(text)?.[1]);
}

/** The common name of the certificate that a new connection receives. */
function titleOf(url: string): Promise<string | string[] | undefined> {
  return new Promise((resolve, reject) => {
    get(`${url}/-/healthy`, { agent: false, ca: ca.cert }, (response) => {
      const { CN } = (response.socket as import("node:tls").TLSSocket).getPeerCertificate().subject;
      response.resume().on("end", () => resolve(CN));
    }).on("error", reject);
  });
}
