import { loadWebConfig } from "../../../src/config/web/load-web-config.js";
import { ConfigError } from "../../../src/errors.js";
import { secret, showsNoSecret } from "../planted-secret.js";
import { law, type Subject } from "../subject.js";
import { yamlWords } from "../yaml-words.js";

const file = "/etc/proxy/web.yml";
const hash = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";
const isSecret = ([section, key = ""]: readonly string[]) =>
  section === "basic_auth_users" || ["cert", "key", "client_ca"].includes(key);
const certificate = `-----BEGIN CERTIFICATE-----
MIIBtjCCAVugAwIBAgITBmyf1XSXNmY/Owua2eiedgPySjAKBggqhkjOPQQDAjA5
-----END CERTIFICATE-----
`;

/** The web configuration: settings, or one line per problem without secrets. */
export const subject: Subject = {
  name: "web-config",
  seeds: () =>
    [
      "",
      `basic_auth_users:\n  alice: ${hash}\n  bob: ${secret}\n`,
      "tls_server_config:\n  cert_file: a.pem\n  key_file: a.key\n  client_ca_file: ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n",
      `tls_server_config:\n  cert: |\n    ${certificate.replaceAll("\n", "\n    ")}\n  key: ${secret}\n`,
      "tls_server_config:\n  min_version: TLS12\n  max_version: TLS13\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n  curve_preferences: [X25519]\n  client_allowed_sans: [a]\n  prefer_server_cipher_suites: true\n",
      "http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: default-src 'self'\n    Strict-Transport-Security: max-age=1\n",
      "rate_limit:\n  interval: 1m0.5s\n  burst: 10\n",
      '{"basic_auth_users": {"a:b": "x"}}',
    ].map((text) => Buffer.from(text)),
  words: [
    ...yamlWords,
    "tls_server_config:\n",
    "http_server_config:\n",
    "basic_auth_users:\n",
    "rate_limit:\n",
    "  cert: a\n",
    "  cert_file: b\n",
    "  client_auth_type: ",
    "  interval: ",
    "  burst: ",
    "    X-Frame-Options: ",
    "999999h",
    "0.000001ns",
    "1ms1ms",
    `${hash}\n`,
    secret,
    "$2b$31$",
    "-----BEGIN CERTIFICATE-----\n",
  ],
  async check(input) {
    const text = input.toString();
    try {
      const { headers, rateLimit, users } = await loadWebConfig(file, readFile(text));
      for (const value of Object.values(headers))
        law(/^[\t\x20-\x7e\x80-\xff]*$/.test(value), "a header can be sent");
      for (const one of users.values()) law(/^\$2[aby]\$/.test(one), "a user has a bcrypt hash");
      const { interval, burst } = rateLimit ?? { interval: 1, burst: 1 };
      law(interval > 0 && interval < 1e12 && burst >= 1, "a limit is a number", () => rateLimit);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      law(error.problems.length > 0, "a refusal has a reason");
      for (const problem of error.problems) {
        law(
          problem.startsWith("WEB_CONFIG_FILE") && !/[\n\r]/.test(problem),
          "a problem is one line",
          () => problem,
        );
        law(problem.length < 1000, "a problem is no longer than a few lines", () => problem);
        showsNoSecret(problem, text, isSecret);
      }
    }
  },
};

/** Files of which one is there, and is no certificate after all. */
function readFile(text: string): (path: string) => Promise<string> {
  return async (path) => {
    if (path === file) return text;
    if (path.endsWith("a.pem")) return certificate;
    throw Object.assign(new Error("no such file"), { code: "ENOENT" });
  };
}
