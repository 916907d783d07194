import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { loadWebConfig, type WebConfig } from "../../../src/config/web/load-web-config.js";
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

/** The problems of a text, without the file name at the beginning of each. */
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

describe("loadWebConfig", () => {
  it("accepts an empty file", async () => {
    for (const text of ["", "# nothing\n", "basic_auth_users:\n", "tls_server_config: {}\n"]) {
      expect(await load(text)).toEqual({ headers: {}, users: new Map() });
    }
  });

  it("reads files relative to the folder of the configuration", async () => {
    expect((await load(tls)).tls).toMatchObject({ cert: server.cert, key: server.key });
  });

  it("uses the defaults of the exporter-toolkit", async () => {
    expect((await load(tls)).tls).toEqual({
      cert: server.cert,
      key: server.key,
      clientAuth: "NoClientCert",
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.3",
      honorCipherOrder: true,
    });
  });

  it("accepts inline certificate, key and authority", async () => {
    const inline = {
      cert: server.cert,
      key: server.key,
      client_ca: ca.cert,
      client_auth_type: "VerifyClientCertIfGiven",
    };
    const config = await load(JSON.stringify({ tls_server_config: inline }));
    expect(config.tls).toMatchObject({ cert: server.cert, key: server.key, ca: ca.cert });
  });

  it("translates Go's names of versions, ciphers and curves", async () => {
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
      honorCipherOrder: false,
    });
    expect(config.tls?.ciphers).toMatch(/^ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256/);
    expect(config.tls?.ecdhCurve).toBe("X25519:prime256v1");
  });

  it.each([
    ["NoClientCert", "NoClientCert", ""],
    ["RequestClientCert", "RequestClientCert", ""],
    ["RequireAnyClientCert", "RequireAnyClientCert", ""],
    ["RequireClientCert", "RequireAnyClientCert", ""],
    ["VerifyClientCertIfGiven", "VerifyClientCertIfGiven", "client_ca_file: ca.pem"],
    ["RequireAndVerifyClientCert", "RequireAndVerifyClientCert", "client_ca_file: ca.pem"],
  ])("accepts client_auth_type: %s", async (written, clientAuth, more) => {
    const config = await load(`${tls}  client_auth_type: ${written}\n  ${more}\n`);
    expect(config.tls?.clientAuth).toBe(clientAuth);
  });

  it("reads users, headers and a rate limit", async () => {
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

  it("sets no limit for an interval of 0", async () => {
    expect((await load("rate_limit: { interval: 0s, burst: 1 }")).rateLimit).toBeUndefined();
  });
});

describe("loadWebConfig with an invalid configuration", () => {
  it.each([
    [
      "an unknown section",
      "tls_config: {}",
      /^the file has the unknown key tls_config; allowed keys: tls_server_config, http_server_config, basic_auth_users, rate_limit$/,
    ],
    [
      "an unknown key",
      `${tls}  cert_fle: x`,
      /^tls_server_config has the unknown key cert_fle; allowed keys: cert, key, .*cert_file/,
    ],
    [
      "an unknown header",
      "http_server_config: {headers: {X-Other: a}}",
      /^http_server_config.headers has the unknown key X-Other; allowed keys: Content-Security-Policy, /,
    ],
    [
      "an invalid header value",
      "http_server_config: {headers: {X-Frame-Options: maybe}}",
      /^http_server_config.headers.X-Frame-Options="maybe" must be one of deny, sameorigin$/,
    ],
    [
      "a header of two lines",
      'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nb"}}',
      /^http_server_config.headers.Content-Security-Policy="a\\r\\nb" must not contain characters that are invalid in a header$/,
    ],
    [
      "an unknown version",
      `${tls}  min_version: TLS9`,
      /^tls_server_config.min_version="TLS9" must be one of TLS10, TLS11, TLS12, TLS13$/,
    ],
    [
      "an unknown cipher",
      `${tls}  cipher_suites: [RC4]`,
      /^tls_server_config.cipher_suites.0="RC4" must be one of TLS_AES/,
    ],
    [
      "an unknown curve",
      `${tls}  curve_preferences: [X448]`,
      /^tls_server_config.curve_preferences.0="X448" must be one of CurveP256, /,
    ],
    [
      "an unknown client_auth_type",
      `${tls}  client_auth_type: Maybe`,
      /^tls_server_config.client_auth_type="Maybe" must be one of NoClientCert, /,
    ],
    [
      "an invalid boolean",
      "http_server_config: {http2: maybe}",
      /^http_server_config.http2="maybe" must be true or false$/,
    ],
    [
      "a minimum version above the maximum",
      `${tls}  min_version: TLS13\n  max_version: TLS12`,
      /min_version=TLS13 must not be above max_version=TLS12/,
    ],
    [
      "a key without a certificate",
      "tls_server_config: {key_file: server.key}",
      /^tls_server_config: set cert or cert_file$/,
    ],
    [
      "only a version",
      "tls_server_config: {min_version: TLS13}",
      /^tls_server_config: set cert or cert_file$/,
    ],
    [
      "two certificates",
      `${tls}  cert: x`,
      /^tls_server_config: cert and cert_file are both set: set only one of them$/,
    ],
    [
      "a missing file",
      "tls_server_config: {cert_file: no.pem, key_file: server.key}",
      /^tls_server_config.cert_file="\/.*\/no.pem" is invalid: must be the path of a readable file with one or more certificates in PEM \(ENOENT\)$/,
    ],
    [
      "a file without a certificate",
      "tls_server_config: {cert_file: server.key, key_file: server.key}",
      /^tls_server_config.cert_file=".*" is invalid: .*\(no certificate found\)$/,
    ],
    [
      "a file without a key",
      "tls_server_config: {cert_file: server.pem, key_file: server.pem}",
      /^tls_server_config.key_file=".*" is invalid: .* a private key without a passphrase in PEM/,
    ],
    [
      "the key of another certificate",
      "tls_server_config: {cert_file: server.pem, key_file: ca.key}",
      /the key does not match the certificate/,
    ],
    [
      "an authority without client certificates",
      `${tls}  client_ca_file: ca.pem`,
      /client_auth_type must be RequireAndVerifyClientCert, /,
    ],
    [
      "verification without an authority",
      `${tls}  client_auth_type: RequireAndVerifyClientCert`,
      /set client_ca or client_ca_file, /,
    ],
    [
      "allowed names without required certificates",
      `${tls}  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]`,
      /client_allowed_sans requires .*, not RequestClientCert$/,
    ],
    [
      "a password instead of a hash",
      "basic_auth_users: {alice: secret}",
      /^basic_auth_users.alice must be a bcrypt hash .*htpasswd/,
    ],
    [
      "a hash that takes a minute to verify",
      `basic_auth_users: {alice: ${hash.replace("$10$", "$20$")}}`,
      /^basic_auth_users.alice must be .*cost from 4 to 15/,
    ],
    [
      "a user name with a colon",
      `basic_auth_users: {"a:b": ${hash}}`,
      /the user name "a…" must not contain a colon/,
    ],
    [
      "the user name __proto__",
      `basic_auth_users: {__proto__: ${hash}}`,
      /^the file must not contain the key __proto__$/,
    ],
    ["a limit without a burst", "rate_limit: {interval: 1s}", /rate_limit.burst is missing/],
    [
      "an invalid interval",
      "rate_limit: {interval: soon, burst: 1}",
      /rate_limit.interval="soon" must be a duration/,
    ],
    ["a list", "[a]", /^the file must be a mapping$/],
    ["invalid YAML", "a: [", /^the file is not valid YAML: /],
  ])("rejects %s", async (_what, text, problem) => {
    const problems = await problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
  });

  it("reports all problems at once", async () => {
    expect(
      await problemsOf("tls: {}\nbasic_auth_users: {alice: x, bob: y}\nhttp_server_config: {http3: true}"),
    ).toHaveLength(4);
    expect(
      await problemsOf(
        "tls_server_config: {cert_file: no.pem, key_file: no.key}\nrate_limit: {interval: 1s}",
      ),
    ).toHaveLength(3);
  });

  it("does not show secrets", async () => {
    const secret = "a-secret-that-never-shows";
    const problems = await problemsOf(`tls_server_config: {cert: ${secret}, key: ${secret}}\n`);
    expect(problems).toHaveLength(2);
    expect([...problems, ...(await problemsOf(`basic_auth_users: {alice: ${secret}}`))].join()).not.toContain(
      secret,
    );
  });

  it.each([
    ["users:\n  alice: hunter2\n bob: x", /the file is not valid YAML: line 3, column 1: /],
    [`basic_auth_users: {alice: b: ${hash}}`, /the file is not valid YAML: line 1, column \d+: /],
    [`basic_auth_users:\n  alice: '${hash}`, /the file is not valid YAML: line \d, column \d+: /],
    [`basic_auth_users:\n  alice: "\\${hash}"`, /the file is not valid YAML: line 2, column \d+: /],
    ["basic_auth_users: {alice: *hunter2}", /the file is not valid YAML: line 1, column 27: /],
    ["basic_auth_users: {alice: @hunter2}", /the file is not valid YAML: line 1, column 27: /],
    ["basic_auth_users: &hunter2 {alice: *hunter2}", /the file is not valid YAML: line 1, column 36: /],
    [`alice:${hash}`, /^the file must be a mapping/],
    [`{alice:${hash}}`, /^the file has an invalid key .*; allowed keys: tls_server_config, /],
    [`basic_auth_users: {alice:${hash}}`, /^basic_auth_users\."alice…" must be a bcrypt hash/],
    [`basic_auth_users: {"alice:${hash}": ${hash}}`, /the user name "alice…" must not contain a colon/],
    ["tls_server_config: hunter2", /^tls_server_config must be a mapping/],
    [
      "tls_server_config:\n  key_file: |\n    -----BEGIN PRIVATE KEY-----\n    hunter2",
      /key_file is invalid: must be the path/,
    ],
    [
      "tls_server_config: {'key: hunter2': a}",
      /^tls_server_config has an invalid key .*; allowed keys: cert, /,
    ],
  ])("does not show what may be a secret in the wrong place: %j", async (text, problem) => {
    const problems = await problemsOf(text);
    expect(problems.join("\n")).toMatch(problem);
    expect(problems.join()).not.toContain("hunter2");
    expect(problems.join()).not.toContain(hash.slice(7));
  });

  it("reports the path of an unreadable file", async () => {
    await expect(
      loadWebConfig("/nowhere/web.yml", async (path) => readFileSync(path, "utf8")),
    ).rejects.toThrow(
      /^WEB_CONFIG_FILE="\/nowhere\/web.yml" is invalid: must be the path of a readable file .*\(ENOENT\)$/,
    );
  });

  it("returns a configuration or problems of one line each, for any text", async () => {
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
