import { validateHeaderValue } from "node:http";
import { z } from "zod";
import { tlsVersionNames } from "../tls-versions.js";
import { cipherSuites, curves } from "./go-tls-names.js";
import { clientAuthTypes } from "./web-config.js";

/** The highest cost of a bcrypt hash: at 15 one look at a password takes about two seconds. */
const maxCost = 15;

/** What is written blank counts as not written. */
function maybe<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => (value === "" || value === null ? undefined : value), schema.optional());
}

const list = (names: readonly string[]) => names.join(", ");
const text = maybe(z.string("a text"));
const fileName = maybe(z.string("the path of a file"));
const flag = maybe(
  z
    .enum(["true", "false", "yes", "no", "on", "off"], "true or false")
    .transform((word) => /^(t|y|on)/.test(word)),
);
const oneOf = <const T extends string>(names: readonly T[]) => maybe(z.enum(names, `one of ${list(names)}`));
const someOf = (names: readonly string[]) =>
  maybe(z.array(z.enum([...names], `one of ${list(names)}`), `a list of some of ${list(names)}`));

const headerText = maybe(z.string("a text").refine(isHeaderValue, "a text that an HTTP header can hold"));

/** `tls_server_config`, as written. */
const tlsSection = z.strictObject({
  cert: text,
  key: text,
  client_ca: text,
  cert_file: fileName,
  key_file: fileName,
  client_auth_type: oneOf([...clientAuthTypes, "RequireClientCert"] as const),
  client_ca_file: fileName,
  client_allowed_sans: maybe(z.array(z.string("a text").min(1, "a text"), "a list of texts")),
  min_version: oneOf(tlsVersionNames),
  max_version: oneOf(tlsVersionNames),
  cipher_suites: someOf([...cipherSuites.keys()]),
  curve_preferences: someOf([...curves.keys()]),
  prefer_server_cipher_suites: flag,
});
export type TlsSection = z.infer<typeof tlsSection>;

const headersSection = z.strictObject({
  "Content-Security-Policy": headerText,
  "X-Frame-Options": oneOf(["deny", "sameorigin"]),
  "X-Content-Type-Options": oneOf(["nosniff"]),
  "X-XSS-Protection": headerText,
  "Strict-Transport-Security": headerText,
});

const section = "a map of keys and values";
const httpSection = z.strictObject({ http2: flag, headers: maybe(headersSection) });

const rateLimitSection = z.strictObject({
  interval: maybe(
    z.string().regex(/^(0|(\d{1,6}(\.\d{1,6})?(ns|us|µs|ms|s|m|h))+)$/, "a duration such as 1s or 100ms"),
  ),
  burst: maybe(z.string().regex(/^[1-9]\d{0,8}$/, "a whole number from 1")),
});
export type RateLimitSection = z.infer<typeof rateLimitSection>;

const bcryptHash = z
  .string(bcryptHint())
  .regex(/^\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$/, bcryptHint());

/**
 * The web configuration of Prometheus' exporter-toolkit, every scalar a text. What is wrong with a value is worded
 * as what is allowed instead.
 *
 * @see https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
 */
export const webConfigSchema = z.strictObject(
  {
    tls_server_config: maybe(tlsSection),
    http_server_config: maybe(httpSection),
    basic_auth_users: maybe(z.record(z.string(), bcryptHash, "a map of users and bcrypt hashes")),
    rate_limit: maybe(rateLimitSection),
  },
  section,
);
export type WebConfigText = z.infer<typeof webConfigSchema>;

/** The keys that a map of the file may have; `path` leads to the map. Empty where it may have any. */
export function allowedKeys(path: readonly PropertyKey[]): readonly string[] {
  const sections: Readonly<Record<string, z.ZodObject>> = {
    "": webConfigSchema,
    tls_server_config: tlsSection,
    http_server_config: httpSection,
    "http_server_config.headers": headersSection,
    rate_limit: rateLimitSection,
  };
  return Object.keys(sections[path.join(".")]?.shape ?? {});
}

function bcryptHint(): string {
  return `a bcrypt hash ($2a$, $2b$ or $2y$) with a cost from 4 to ${maxCost}, as htpasswd -nBC 10 prints it`;
}

function isHeaderValue(value: string): boolean {
  try {
    validateHeaderValue("X", value);
    return true;
  } catch {
    return false;
  }
}
