import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { loadWebConfig } from "../../../src/config/web/load-web-config.js";
import type { WebConfig } from "../../../src/config/web/web-config.js";
import { ConfigError } from "../../../src/errors.js";
import { type Authority, type Certificate, makeAuthority } from "../../support/certificates.js";

const folder = mkdtempSync(join(tmpdir(), "web-config-test-"));
const hash = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";
let ca: Authority;
let server: Certificate;

beforeAll(() => {
  ca = makeAuthority(folder);
  server = ca.issue("server");
  return () => rmSync(folder, { recursive: true });
});

async function load(text: string): Promise<WebConfig> {
  const file = join(folder, `web-${Math.random().toString(36).slice(2)}.yml`);
  writeFileSync(file, text);
  onTestFinished(() => rmSync(file));
  return loadWebConfig(file, async (path) => readFileSync(path, "utf8"));
}

/** The problems of a text, without the name of the file that each begins with. */
async function problemsOf(text: string): Promise<string[]> {
  try {
    await load(text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) expect(problem).toMatch(/^WEB_CONFIG_FILE \/.*\.yml: [^\n]+$/);
    return error.problems.map((problem) => problem.replace(/^WEB_CONFIG_FILE \S+: /, ""));
  }
  return [];
}

const tls = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";

describe("a web configuration", () => {
  it("that is empty asks for nothing", async () => {
    for (const text of ["", "# nothing\n", "basic_auth_users:\n", "tls_server_config: {}\n"]) {
      expect(await load(text)).toEqual({ headers: {}, users: new Map() });
    }
  });

  it("names its files relative to itself", async () => {
    expect((await load(tls)).tls).toMatchObject({ cert: server.cert, key: server.key });
  });

  it("has the defaults of the exporter-toolkit", async () => {
    expect((await load(tls)).tls).toEqual({
      cert: server.cert,
      key: server.key,
      clientAuth: "NoClientCert",
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.3",
      preferServerCiphers: true,
    });
  });

  it("may hold certificate, key and authority itself", async () => {
    const inline = {
      cert: server.cert,
      key: server.key,
      client_ca: ca.cert,
      client_auth_type: "VerifyClientCertIfGiven",
    };
    const config = await load(JSON.stringify({ tls_server_config: inline }));
    expect(config.tls).toMatchObject({ cert: server.cert, key: server.key, clientCa: ca.cert });
  });

  it("names versions, ciphers and curves as Go does", async () => {
    const config = await load(`${tls}
  min_version: TLS12
  max_version: TLS12
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
  curve_preferences: [X25519, CurveP256]
  prefer_server_cipher_suites: false
`);
    expect(config.tls).toMatchObject({
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.2",
      preferServerCiphers: false,
    });
    expect(config.tls?.ciphers).toMatch(/^ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256/);
    expect(config.tls?.curves).toBe("X25519:prime256v1");
  });

  it.each([
    ["NoClientCert", "NoClientCert", ""],
    ["RequestClientCert", "RequestClientCert", ""],
    ["RequireAnyClientCert", "RequireAnyClientCert", ""],
    ["RequireClientCert", "RequireAnyClientCert", ""],
    ["VerifyClientCertIfGiven", "VerifyClientCertIfGiven", "client_ca_file: ca.pem"],
    ["RequireAndVerifyClientCert", "RequireAndVerifyClientCert", "client_ca_file: ca.pem"],
  ])("may say client_auth_type: %s", async (written, clientAuth, more) => {
    const config = await load(`${tls}  client_auth_type: ${written}\n  ${more}\n`);
    expect(config.tls?.clientAuth).toBe(clientAuth);
  });

  it("has users, headers and a rate limit", async () => {
    const config = await load(`
basic_auth_users: { alice: ${hash} }
http_server_config:
  http2: true
  headers: { X-Frame-Options: deny, Strict-Transport-Security: max-age=600, Content-Security-Policy: "" }
rate_limit: { interval: 1m500ms, burst: 20 }
`);
    expect([...config.users]).toEqual([["alice", hash]]);
    expect(config.headers).toEqual({ "X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=600" });
    expect(config.rateLimit).toEqual({ interval: 60.5, burst: 20 });
  });

  it("limits nothing with an interval of 0", async () => {
    expect((await load("rate_limit: { interval: 0s, burst: 1 }")).rateLimit).toBeUndefined();
  });
});

describe("a web configuration that cannot be used", () => {
  it.each([
    [
      "an unknown section",
      "tls_config: {}",
      /^it has no key "tls_config": allowed are tls_server_config, http_server_config, basic_auth_users, rate_limit$/,
    ],
    [
      "an unknown key",
      `${tls}  cert_fle: x`,
      /^tls_server_config has no key "cert_fle": allowed are cert, key, .*cert_file/,
    ],
    [
      "an unknown header",
      "http_server_config: {headers: {X-Other: a}}",
      /^http_server_config.headers has no key "X-Other": allowed are Content-Security-Policy, /,
    ],
    [
      "a bad header",
      "http_server_config: {headers: {X-Frame-Options: maybe}}",
      /^http_server_config.headers.X-Frame-Options="maybe" cannot be used: allowed is one of deny, sameorigin$/,
    ],
    [
      "a header of two lines",
      'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nb"}}',
      /^http_server_config.headers.Content-Security-Policy="a\\r\\nb" cannot be used: allowed is a text that an HTTP header can hold$/,
    ],
    [
      "a version",
      `${tls}  min_version: TLS9`,
      /^tls_server_config.min_version="TLS9" cannot be used: allowed is one of TLS10, TLS11, TLS12, TLS13$/,
    ],
    [
      "a cipher",
      `${tls}  cipher_suites: [RC4]`,
      /^tls_server_config.cipher_suites.0="RC4" cannot be used: allowed is one of TLS_AES/,
    ],
    [
      "a curve",
      `${tls}  curve_preferences: [X448]`,
      /^tls_server_config.curve_preferences.0="X448" cannot be used: allowed is one of CurveP256, /,
    ],
    [
      "a policy",
      `${tls}  client_auth_type: Maybe`,
      /^tls_server_config.client_auth_type="Maybe" cannot be used: allowed is one of NoClientCert, /,
    ],
    [
      "a flag",
      "http_server_config: {http2: maybe}",
      /^http_server_config.http2="maybe" cannot be used: allowed is true or false$/,
    ],
    [
      "versions the wrong way round",
      `${tls}  min_version: TLS13\n  max_version: TLS12`,
      /min_version=TLS13 is above max_version=TLS12/,
    ],
    [
      "a key without a certificate",
      "tls_server_config: {key_file: server.key}",
      /^tls_server_config: one of cert and cert_file must be there$/,
    ],
    [
      "only a version",
      "tls_server_config: {min_version: TLS13}",
      /^tls_server_config: one of cert and cert_file must be there$/,
    ],
    [
      "two certificates",
      `${tls}  cert: x`,
      /^tls_server_config: cert and cert_file are both there: set only one of them$/,
    ],
    [
      "a missing file",
      "tls_server_config: {cert_file: no.pem, key_file: server.key}",
      /^tls_server_config.cert_file="\/.*\/no.pem" cannot be used: allowed is the path of a readable file with one or more certificates in PEM \(ENOENT\)$/,
    ],
    [
      "a file that is no certificate",
      "tls_server_config: {cert_file: server.key, key_file: server.key}",
      /^tls_server_config.cert_file=".*" cannot be used: .*\(there is no certificate in it\)$/,
    ],
    [
      "a file that is no key",
      "tls_server_config: {cert_file: server.pem, key_file: server.pem}",
      /^tls_server_config.key_file=".*" cannot be used: .* a private key without a passphrase in PEM/,
    ],
    [
      "the key of another certificate",
      "tls_server_config: {cert_file: server.pem, key_file: ca.key}",
      /the key does not belong to the certificate/,
    ],
    ["an authority that nobody asks", `${tls}  client_ca_file: ca.pem`, /client_auth_type must be there/],
    [
      "a check without an authority",
      `${tls}  client_auth_type: RequireAndVerifyClientCert`,
      /one of client_ca and client_ca_file must be there/,
    ],
    [
      "names that nobody has to show",
      `${tls}  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]`,
      /client_allowed_sans cannot be used with client_auth_type RequestClientCert/,
    ],
    [
      "a password that is no hash",
      "basic_auth_users: {alice: secret}",
      /^basic_auth_users.alice cannot be used: allowed is a bcrypt hash .*htpasswd/,
    ],
    [
      "a hash that takes a minute to look at",
      `basic_auth_users: {alice: ${hash.replace("$10$", "$20$")}}`,
      /^basic_auth_users.alice cannot be used: .*cost from 4 to 15/,
    ],
    [
      "a user that no client can name",
      `basic_auth_users: {"a:b": ${hash}}`,
      /"a…" cannot be used: allowed is a name without a colon/,
    ],
    ["a user that is no name", `basic_auth_users: {__proto__: ${hash}}`, /^it must have no key __proto__$/],
    ["a limit without a burst", "rate_limit: {interval: 1s}", /rate_limit.burst is missing/],
    [
      "a bad interval",
      "rate_limit: {interval: soon, burst: 1}",
      /rate_limit.interval="soon" cannot be used: allowed is a duration/,
    ],
    ["a list", "[a]", /^the file cannot be used: allowed is a map of keys and values$/],
    ["no YAML", "a: [", /^it is no YAML: /],
  ])("is told with %s", async (_what, text, problem) => {
    const problems = await problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
  });

  it("is told with all that is wrong at once", async () => {
    expect(
      await problemsOf("tls: {}\nbasic_auth_users: {alice: x, bob: y}\nhttp_server_config: {http3: true}"),
    ).toHaveLength(4);
    expect(
      await problemsOf(
        "tls_server_config: {cert_file: no.pem, key_file: no.key}\nrate_limit: {interval: 1s}",
      ),
    ).toHaveLength(3);
  });

  it("is told without its secrets", async () => {
    const secret = "a-secret-that-never-shows";
    const problems = await problemsOf(`tls_server_config: {cert: ${secret}, key: ${secret}}\n`);
    expect(problems).toHaveLength(2);
    expect([...problems, ...(await problemsOf(`basic_auth_users: {alice: ${secret}}`))].join()).not.toContain(
      secret,
    );
  });

  it.each([
    ["users:\n  alice: hunter2\n bob: x", /it is no YAML: line 3, column 1: /],
    [`basic_auth_users: {alice: b: ${hash}}`, /it is no YAML: line 1, column \d+: /],
    [`basic_auth_users:\n  alice: '${hash}`, /it is no YAML: line \d, column \d+: /],
    [`basic_auth_users:\n  alice: "\\${hash}"`, /it is no YAML: line 2, column \d+: /],
    ["basic_auth_users: {alice: *hunter2}", /it is no YAML: line 1, column 27: /],
    ["basic_auth_users: {alice: @hunter2}", /it is no YAML: line 1, column 27: /],
    ["basic_auth_users: &hunter2 {alice: *hunter2}", /it is no YAML: line 1, column 36: /],
    [`alice:${hash}`, /^the file cannot be used: allowed is a map/],
    [`{alice:${hash}}`, /^it has something that is no key: allowed are tls_server_config, /],
    [
      `basic_auth_users: {alice:${hash}}`,
      /^basic_auth_users\."alice…" cannot be used: allowed is a bcrypt hash/,
    ],
    [
      `basic_auth_users: {"alice:${hash}": ${hash}}`,
      /"alice…" cannot be used: allowed is a name without a colon/,
    ],
    ["tls_server_config: hunter2", /^tls_server_config cannot be used: /],
    [
      "tls_server_config:\n  key_file: |\n    -----BEGIN PRIVATE KEY-----\n    hunter2",
      /key_file cannot be used: allowed is the path/,
    ],
    [
      "tls_server_config: {'key: hunter2': a}",
      /^tls_server_config has something that is no key: allowed are cert, /,
    ],
  ])("is told without what may be a secret in the wrong place: %j", async (text, problem) => {
    const problems = await problemsOf(text);
    expect(problems.join("\n")).toMatch(problem);
    expect(problems.join()).not.toContain("hunter2");
    expect(problems.join()).not.toContain(hash.slice(7));
  });

  it("is told with its path where the file itself cannot be read", async () => {
    await expect(
      loadWebConfig("/nowhere/web.yml", async (path) => readFileSync(path, "utf8")),
    ).rejects.toThrow(
      /^WEB_CONFIG_FILE="\/nowhere\/web.yml" cannot be used: allowed is the path of a readable file .*\(ENOENT\)$/,
    );
  });

  it("never ends in anything but a configuration or problems of one line each", async () => {
    const word = fc.constantFrom(
      "tls_server_config",
      "basic_auth_users",
      "rate_limit",
      "cert",
      "key",
      "a",
      "[",
      "{",
      ":",
      "\n",
      " ",
      "- ",
      "&x",
      "*x",
      '"',
      hash,
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(word, fc.string({ maxLength: 3 })), { maxLength: 12 }),
        async (words) => {
          try {
            await loadWebConfig("/web.yml", async (path) => (path === "/web.yml" ? words.join("") : ""));
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError);
            for (const problem of (error as ConfigError).problems)
              expect(problem).toMatch(/^WEB_CONFIG_FILE[^\n]*$/);
          }
        },
      ),
    );
  });
});
