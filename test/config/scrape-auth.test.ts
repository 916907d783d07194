import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readScrapeAuth, ScrapeAuthFault } from "../../src/config/scrape-auth.js";

function problemsOf(text: string): readonly string[] {
  try {
    readScrapeAuth(text);
  } catch (error) {
    if (error instanceof ScrapeAuthFault) return error.problems;
    throw error;
  }
  return [];
}

const only = (text: string) => readScrapeAuth(text).get("db");

describe("SCRAPE_AUTH_FILE", () => {
  it("is a mapping from names to configurations with the keys of Prometheus", () => {
    const text = `
default:
  tls_config: { ca_file: ca.pem, server_name: metrics, min_version: TLS12, insecure_skip_verify: false }
db:
  basic_auth: { username: prometheus, password_file: /run/secrets/db }
  http_headers:
    X-Tenant: { values: [a], secrets: [b], files: [tenant] }
  proxy_url: http://proxy:3128
  no_proxy: 10.0.0.0/8, .internal
  proxy_connect_header: { X-Proxy: [c] }
  follow_redirects: false
  enable_http2: true
`;
    const entries = readScrapeAuth(text);
    expect([...entries.keys()]).toEqual(["default", "db"]);
    expect(entries.get("default")).toEqual({
      tls_config: {
        ca_file: "ca.pem",
        server_name: "metrics",
        min_version: "TLSv1.2",
        insecure_skip_verify: false,
      },
      http_headers: {},
      follow_redirects: true,
    });
    expect(entries.get("db")).toEqual({
      basic_auth: { username: "prometheus", password_file: "/run/secrets/db" },
      http_headers: { "X-Tenant": { values: ["a"], secrets: ["b"], files: ["tenant"] } },
      proxy_url: "http://proxy:3128",
      no_proxy: ["10.0.0.0/8", ".internal"],
      proxy_connect_header: { "X-Proxy": ["c"] },
      follow_redirects: false,
      enable_http2: true,
    });
  });

  it("may be JSON, with booleans", () => {
    const entry = { authorization: { credentials: "t" }, follow_redirects: false };
    expect(only(JSON.stringify({ db: entry }))).toMatchObject({
      authorization: { type: "Bearer", credentials: "t" },
      follow_redirects: false,
    });
  });

  it("keeps the text of a password, and accepts a header with a single string", () => {
    expect(only("db: {basic_auth: {username: a, password: 0123}, headers: {X-Key: 1.10}}")).toMatchObject({
      basic_auth: { password: "0123" },
      http_headers: { "X-Key": { values: ["1.10"], secrets: [], files: [] } },
    });
  });

  it("accepts an empty entry", () => {
    expect(only("db:\n")).toEqual({ http_headers: {}, follow_redirects: true });
  });

  it("accepts oauth2 with its own tls_config and proxy", () => {
    const text = `
db:
  oauth2:
    client_id: me
    client_secret_file: secret
    scopes: [read, metrics]
    token_url: https://login.example.org/token
    endpoint_params: { audience: db }
    tls_config: { insecure_skip_verify: true }
    proxy_url: http://proxy:3128
`;
    expect(only(text)?.oauth2).toEqual({
      client_id: "me",
      client_secret_file: "secret",
      scopes: ["read", "metrics"],
      token_url: "https://login.example.org/token",
      endpoint_params: { audience: "db" },
      tls_config: { insecure_skip_verify: true },
      proxy_url: "http://proxy:3128",
    });
  });

  it.each([
    ["basic_auth: {user: a}", /^entry "db": basic_auth has the unknown key user; allowed keys: username, /],
    [
      "basic-auth: {}",
      /^entry "db": the configuration has an invalid key .*; allowed keys: basic_auth, authorization, /,
    ],
    ["basic_auth: {username: a, username_file: b}", /basic_auth has username and username_file; only one/],
    ["basic_auth: {}, authorization: {}", /the configuration has basic_auth and authorization; only one/],
    ["authorization: {type: basic}", /authorization\.type must not be Basic; use basic_auth/],
    ["oauth2: {client_id: a}", /oauth2\.token_url is missing/],
    ["oauth2: {client_id: a, token_url: 'http://u:p@x/'}", /oauth2\.token_url must not contain a user/],
    ["tls_config: {cert_file: a}", /tls_config has a certificate, but neither key nor key_file/],
    ["tls_config: {key: a}", /tls_config has a key, but neither cert nor cert_file/],
    ["tls_config: {min_version: 1.2}", /tls_config\.min_version must be one of TLS10, TLS11, TLS12, TLS13/],
    ["tls_config: {min_version: TLS13, max_version: TLS12}", /min_version above max_version/],
    ["tls_config: {insecure_skip_verify: maybe}", /insecure_skip_verify must be true or false/],
    ["http_headers: {Host: x}", /http_headers has Host, which is reserved/],
    ["http_headers: {X-A: {values: [a]}, x-a: {values: [a]}}", /http_headers has x-a twice/],
    ["http_headers: {X-A: {values: []}}", /http_headers has X-A without a value/],
    [
      'http_headers: {X-A: {values: ["a\\nb"]}}',
      /http_headers\.X-A\S* must not contain characters that are invalid in a header/,
    ],
    ["proxy_url: socks5://x", /proxy_url must be an http:\/\/ or https:\/\/ URL/],
    ["no_proxy: x", /the configuration has no_proxy without proxy_url/],
    ["follow_redirects: often", /follow_redirects must be true or false/],
  ])("with %s is rejected with entry and key", (entry, problem) => {
    expect(problemsOf(`db: {${entry}}`)).toEqual([expect.stringMatching(problem)]);
  });

  it("reports all problems at once", () => {
    expect(problemsOf("a: {foo: 1}\nb: text\n")).toHaveLength(2);
  });

  it.each([["[]"], ["text"], [""], ["a: b: c"], ["{"], ["a: *x"], [`${"[".repeat(100)}`]])(
    "%j is rejected as a whole",
    (text) => {
      expect(problemsOf(text)).toEqual([
        expect.stringMatching(/^the file (must be a mapping|is neither YAML nor JSON)/),
      ]);
    },
  );

  it.each([
    ["a: {basic_auth: {password: *hunter2}}"],
    ["a: {basic_auth: {password: @hunter2}}"],
    ["a: {basic_auth: {password=hunter2}}"],
    ["a: {basic_auth: hunter2}"],
    ["a: {authorization: {credentials: [hunter2]}}"],
    ['a: {authorization: {credentials: "hunter2\\n"}}'],
    ["a: {http_headers: {'X-Key: hunter2': a}}"],
    ["a: {proxy_url: 'ftp://a:hunter2@b'}"],
    ["a: {oauth2: {client_id: a, token_url: 'http://a:hunter2@b'}}"],
    ["a: hunter2: b"],
    ["a: {http_headers: {'X-Key: hunter2': []}}"],
    ["a: {oauth2: {client_id: a, token_url: 'http://b', endpoint_params: {client_secret:hunter2: []}}}"],
    ["a: &hunter2 {basic_auth: *hunter2}"],
    ['{"a": {"basic_auth": {"password": "hunter2}}'],
  ])("does not show what may be a secret: %s", (text) => {
    const problems = problemsOf(text);
    expect(problems).not.toEqual([]);
    expect(problems.join()).not.toContain("hunter2");
  });

  it("returns entries or problems, for any text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.object().map((value) => JSON.stringify({ a: value })),
        ),
        (text) => {
          expect(Array.isArray(problemsOf(text))).toBe(true);
        },
      ),
    );
  });
});
