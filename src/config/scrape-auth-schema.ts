import { z } from "zod";
import { flag, headerName, headerText, listOf, oneOf, section, text } from "./schema-primitives.js";
import { isNewer, tlsVersionNames, tlsVersions } from "./tls-versions.js";

/** Headers that the scrape sets, or that would change the connection; Prometheus reserves most of them too. */
const reservedHeaders = new Set(
  (
    "accept accept-encoding user-agent x-prometheus-scrape-timeout-seconds authorization host content-encoding " +
    "content-length content-type connection keep-alive expect te trailer transfer-encoding upgrade " +
    "proxy-authenticate proxy-authorization www-authenticate"
  ).split(" "),
);

const tlsVersion = oneOf(tlsVersionNames).transform((version) => tlsVersions[version]);

const webUrl = text.refine(
  (value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol),
  "must be an http:// or https:// URL",
);

/** Adds a problem if more than one of these keys is set. */
function onlyOne(value: object, keys: readonly string[], context: z.RefinementCtx): void {
  const present = keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined);
  if (present.length > 1) addProblem(context, `has ${present.join(" and ")}; only one of them is allowed`);
}

function addProblem(context: z.RefinementCtx, message: string): void {
  context.addIssue({ code: "custom", message });
}

const basicAuth = section({
  username: text.optional(),
  username_file: text.optional(),
  password: text.optional(),
  password_file: text.optional(),
}).superRefine((value, context) => {
  onlyOne(value, ["username", "username_file"], context);
  onlyOne(value, ["password", "password_file"], context);
});

const authorization = section({
  type: text
    .refine((type) => headerName.test(type), "must be a single word, such as Bearer")
    .refine((type) => type.toLowerCase() !== "basic", "must not be Basic; use basic_auth")
    .default("Bearer"),
  credentials: headerText.optional(),
  credentials_file: text.optional(),
}).superRefine((value, context) => onlyOne(value, ["credentials", "credentials_file"], context));

const tlsConfig = section({
  ca: text.optional(),
  ca_file: text.optional(),
  cert: text.optional(),
  cert_file: text.optional(),
  key: text.optional(),
  key_file: text.optional(),
  server_name: text.optional(),
  insecure_skip_verify: flag.default(false),
  min_version: tlsVersion.optional(),
  max_version: tlsVersion.optional(),
}).superRefine((value, context) => {
  for (const name of ["ca", "cert", "key"]) onlyOne(value, [name, `${name}_file`], context);
  if ((value.cert ?? value.cert_file) !== undefined && (value.key ?? value.key_file) === undefined)
    addProblem(context, "has a certificate, but neither key nor key_file");
  if ((value.cert ?? value.cert_file) === undefined && (value.key ?? value.key_file) !== undefined)
    addProblem(context, "has a key, but neither cert nor cert_file");
  const { min_version: min, max_version: max } = value;
  if (min !== undefined && max !== undefined && isNewer(min, max))
    addProblem(context, "has a min_version above max_version");
});

const proxyKeys = {
  proxy_url: webUrl.optional(),
  no_proxy: z.string({ error: "must be a string" }).optional(),
  proxy_connect_header: z
    .record(z.string().regex(headerName, "must be a header name"), listOf(headerText), {
      error: "must be a mapping from header names to lists",
    })
    .optional(),
};

function checkProxy(
  value: { proxy_url?: unknown; no_proxy?: unknown; proxy_connect_header?: unknown },
  context: z.RefinementCtx,
): void {
  for (const key of ["no_proxy", "proxy_connect_header"] as const) {
    if (value.proxy_url === undefined && value[key] !== undefined)
      addProblem(context, `has ${key} without proxy_url`);
  }
}

const oauth2 = section({
  client_id: text,
  client_secret: text.optional(),
  client_secret_file: text.optional(),
  scopes: listOf(text).default([]),
  token_url: webUrl.refine(
    (url) => URL.canParse(url) && new URL(url).username === "" && new URL(url).password === "",
    "must not contain a user or a password",
  ),
  endpoint_params: z
    .record(z.string(), z.string({ error: "must be a string" }), { error: "must be a mapping" })
    .default({}),
  tls_config: tlsConfig.optional(),
  ...proxyKeys,
}).superRefine((value, context) => {
  onlyOne(value, ["client_secret", "client_secret_file"], context);
  checkProxy(value, context);
});

const header = section({
  values: listOf(headerText).default([]),
  secrets: listOf(headerText).default([]),
  files: listOf(text).default([]),
});

const headers = z
  .record(
    z.string(),
    // A single string is the form of Prometheus' remote_write.
    z.union([headerText.transform((value) => ({ values: [value], secrets: [], files: [] })), header], {
      error: "must be a string, or a mapping with the lists values, secrets and files",
    }),
    { error: "must be a mapping from header names to values" },
  )
  .superRefine((value, context) => {
    const seen = new Set<string>();
    for (const [name, { values, secrets, files }] of Object.entries(value)) {
      const small = name.toLowerCase();
      if (!headerName.test(name)) {
        // The name is not shown: it may be a secret in the wrong place, or contain a line break.
        addProblem(context, "has an invalid header name");
        continue;
      }
      if (reservedHeaders.has(small)) addProblem(context, `has ${name}, which is reserved`);
      if (seen.has(small)) addProblem(context, `has ${name} twice`);
      seen.add(small);
      if (values.length + secrets.length + files.length === 0)
        addProblem(context, `has ${name} without a value`);
    }
  });

/**
 * One entry of SCRAPE_AUTH_FILE, with the keys of Prometheus' HTTP client configuration.
 *
 * @see https://prometheus.io/docs/prometheus/latest/configuration/configuration/#http_config
 */
export const authEntrySchema = section({
  basic_auth: basicAuth.optional(),
  authorization: authorization.optional(),
  oauth2: oauth2.optional(),
  tls_config: tlsConfig.optional(),
  http_headers: headers.optional(),
  headers: headers.optional(),
  ...proxyKeys,
  follow_redirects: flag.default(true),
  enable_http2: flag.optional(),
}).superRefine((value, context) => {
  onlyOne(value, ["basic_auth", "authorization", "oauth2"], context);
  onlyOne(value, ["http_headers", "headers"], context);
  checkProxy(value, context);
});

export type RawAuthEntry = z.output<typeof authEntrySchema>;
export type RawTlsConfig = z.output<typeof tlsConfig>;
export type RawProxyKeys = Pick<RawAuthEntry, keyof typeof proxyKeys>;
