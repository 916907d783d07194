import { readScrapeAuth, ScrapeAuthFault } from "../../../src/config/scrape-auth.js";
import { secret, showsNoSecret } from "../planted-secret.js";
import { law, refusing, type Subject } from "../subject.js";
import { yamlWords } from "../yaml-words.js";

/** SCRAPE_AUTH_FILE: credentials by name, or one line per problem without secrets. */
export const subject: Subject = {
  name: "scrape-auth",
  seeds: () =>
    [
      `a:\n  basic_auth: { username: u, password: ${secret} }\nb:\n  authorization: { type: Bearer, credentials: ${secret} }\n`,
      `a:\n  oauth2: { client_id: i, client_secret: ${secret}, token_url: "http://t/token", scopes: [x], endpoint_params: { a: b } }\n`,
      "default:\n  tls_config: { ca_file: ca.pem, cert_file: c, key_file: k, server_name: s, min_version: TLS12, max_version: TLS13, insecure_skip_verify: true }\n  follow_redirects: false\n  enable_http2: true\n",
      `a:\n  http_headers:\n    X-Tenant: { values: [a], secrets: [${secret}], files: [f] }\n  proxy_url: http://u:${secret}@proxy:3128\n  no_proxy: 10.0.0.0/8, .internal\n  proxy_connect_header: { X-P: [c] }\n`,
      `{"a": {"headers": {"X-A": "${secret}"}}, "b": null, "c": ""}`,
    ].map((text) => Buffer.from(text)),
  words: [
    ...yamlWords,
    "  basic_auth: ",
    "  authorization: ",
    "  oauth2: ",
    "  tls_config: ",
    "  http_headers: ",
    "password: ",
    "password_file: ",
    `${secret}`,
    "token_url: http://u:p@h/",
    "X-A: {values: []}",
    "Host: x",
    "\r\nX: y",
    "min_version: TLS13",
  ],
  check(input) {
    const text = input.toString();
    const entries = refusing(
      () => readScrapeAuth(text),
      (error) => {
        if (!(error instanceof ScrapeAuthFault)) return false;
        for (const problem of error.problems) {
          law(!/[\n\r]/.test(problem), "a problem is one line", () => problem);
          // Any value may be a secret.
          showsNoSecret(problem, text, () => true);
        }
        return error.problems.length > 0;
      },
    );
    for (const { http_headers, oauth2, proxy_url } of entries?.values() ?? []) {
      for (const [name, { values, secrets, files }] of Object.entries(http_headers)) {
        law(/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name), "a header can be sent", () => name);
        law(values.length + secrets.length + files.length > 0, "a header can be sent", () => name);
        for (const value of [...values, ...secrets]) {
          law(/^[\t\x20-\x7e\x80-\xff]*$/.test(value), "a header can be sent");
        }
      }
      if (proxy_url !== undefined) new URL(proxy_url);
      if (oauth2 !== undefined) new URL(oauth2.token_url);
    }
  },
};
