import { z } from "zod";
import { flag, headerText, listOf, oneOf, section, text } from "../schema-primitives.js";
import { cipherSuites, curves, tlsVersionNames } from "../tls-names.js";

/** Go's policies for client certificates; see ClientAuthType in https://pkg.go.dev/crypto/tls. */
export const clientAuthTypes = [
  "NoClientCert",
  "RequestClientCert",
  "RequireAnyClientCert",
  "VerifyClientCertIfGiven",
  "RequireAndVerifyClientCert",
] as const;
export type ClientAuthType = (typeof clientAuthTypes)[number];

/** The exporter-toolkit still accepts the former name RequireClientCert. */
const clientAuthType = oneOf([...clientAuthTypes, "RequireClientCert"]).transform(
  (type): ClientAuthType => (type === "RequireClientCert" ? "RequireAnyClientCert" : type),
);

/** Highest cost of a bcrypt hash. With 15, verifying a password takes about two seconds. */
const maxCost = 15;

/** An empty value counts as unset. */
function maybe<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => (value === "" || value === null ? undefined : value), schema.optional());
}

function pattern(form: RegExp, message: string) {
  return z.string(message).regex(form, message);
}

const optionalText = maybe(text);
const optionalFlag = maybe(flag);
const optionalHeader = maybe(headerText);
const choice = <const T extends string>(names: readonly T[]) => maybe(oneOf(names));
/** A list of Go's names, translated to those of OpenSSL. */
const translated = (names: ReadonlyMap<string, string>) => {
  const name = oneOf([...names.keys()]);
  const list = z.array(
    name.transform((go) => names.get(go) ?? go),
    `must be a list of ${[...names.keys()].join(", ")}`,
  );
  return maybe(list);
};

/** `tls_server_config`. */
const tlsSection = section({
  cert: optionalText,
  key: optionalText,
  client_ca: optionalText,
  cert_file: optionalText,
  key_file: optionalText,
  client_auth_type: maybe(clientAuthType),
  client_ca_file: optionalText,
  client_allowed_sans: maybe(listOf(text)),
  min_version: choice(tlsVersionNames),
  max_version: choice(tlsVersionNames),
  cipher_suites: translated(cipherSuites),
  curve_preferences: translated(curves),
  prefer_server_cipher_suites: optionalFlag,
});
export type TlsSection = z.infer<typeof tlsSection>;

const headersSection = section({
  "Content-Security-Policy": optionalHeader,
  "X-Frame-Options": choice(["deny", "sameorigin"]),
  "X-Content-Type-Options": choice(["nosniff"]),
  "X-XSS-Protection": optionalHeader,
  "Strict-Transport-Security": optionalHeader,
});

const httpSection = section({ http2: optionalFlag, headers: maybe(headersSection) });

const rateLimitSection = section({
  interval: maybe(
    pattern(/^(0|(\d{1,6}(\.\d{1,6})?(ns|us|µs|ms|s|m|h))+)$/, "must be a duration such as 1s or 100ms"),
  ),
  burst: maybe(pattern(/^[1-9]\d{0,8}$/, "must be a whole number from 1")),
});
export type RateLimitSection = z.infer<typeof rateLimitSection>;

const bcryptHash = pattern(
  /^\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$/,
  `must be a bcrypt hash ($2a$, $2b$ or $2y$) with a cost from 4 to ${maxCost}, such as the output of htpasswd -nBC 10`,
);

/**
 * The web configuration of Prometheus' exporter-toolkit, with every scalar as text.
 *
 * @see https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
 */
export const webConfigSchema = section({
  tls_server_config: maybe(tlsSection),
  http_server_config: maybe(httpSection),
  basic_auth_users: maybe(z.record(z.string(), bcryptHash, "must be a mapping from users to bcrypt hashes")),
  rate_limit: maybe(rateLimitSection),
});
export type WebConfigText = z.infer<typeof webConfigSchema>;
