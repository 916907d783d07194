import { z } from "zod";
import { isNewer, tlsVersionNames, tlsVersions } from "./tls-versions.js";

/** Headers that are set by the scrape itself, or that would change the connection; Prometheus keeps most of them too. */
const reservedHeaders = new Set([
  ...[
    "accept",
    "accept-encoding",
    "user-agent",
    "x-prometheus-scrape-timeout-seconds",
    "authorization",
    "host",
  ],
  ...[
    "content-encoding",
    "content-length",
    "content-type",
    "connection",
    "keep-alive",
    "expect",
    "te",
    "trailer",
  ],
  ...["transfer-encoding", "upgrade", "proxy-authenticate", "proxy-authorization", "www-authenticate"],
]);

/** What a header may hold: RFC 9110, 5.5. */
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Whether a text can be the value of a header. */
export function isHeaderValue(text: string): boolean {
  return headerValue.test(text);
}

const text = z
  .string({
    error: ({ input }) => (input === undefined ? "is missing" : "must be a text (a number goes in quotes)"),
  })
  .min(1, "is empty");
const headerText = text.refine(isHeaderValue, "holds characters that no header can carry");

/** YAML is read with every scalar as a text. */
const flag = z.union(
  [z.boolean(), z.stringbool({ truthy: ["true", "yes", "on"], falsy: ["false", "no", "off"] })],
  {
    error: "must be true or false",
  },
);

const tlsVersion = z
  .enum(tlsVersionNames, { error: `must be one of ${tlsVersionNames.join(", ")}` })
  .transform((version) => tlsVersions[version]);

const webUrl = text.refine(
  (value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol),
  "must be an http:// or https:// URL",
);

/** A mapping with these keys and no others. */
function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `has ${issue.keys.map(wordOf).join(", ")}; allowed are ${Object.keys(shape).join(", ")}`
        : "must be a mapping",
  });
}

/** A key in words. One that is none may be a secret that stands in the wrong place. */
function wordOf(key: string): string {
  return /^[A-Za-z0-9_]{1,40}$/.test(key) ? `the unknown key ${key}` : "something that is no key";
}

/** Complains where more than one of these keys is there. */
function onlyOne(value: object, keys: readonly string[], context: z.RefinementCtx): void {
  const there = keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined);
  if (there.length > 1) complain(context, `has ${there.join(" and ")}; only one of them is allowed`);
}

function complain(context: z.RefinementCtx, message: string): void {
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
    .refine((type) => headerName.test(type), "must be one word, such as Bearer")
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
    complain(context, "has a certificate without key or key_file");
  if ((value.cert ?? value.cert_file) === undefined && (value.key ?? value.key_file) !== undefined)
    complain(context, "has a key without cert or cert_file");
  const { min_version: min, max_version: max } = value;
  if (min !== undefined && max !== undefined && isNewer(min, max))
    complain(context, "has a min_version above its max_version");
});

const proxyKeys = {
  proxy_url: webUrl.optional(),
  no_proxy: z.string({ error: "must be a text" }).optional(),
  proxy_connect_header: z
    .record(
      z.string().regex(headerName, "must be the name of a header"),
      z.array(headerText, { error: "must be a list of texts" }),
      { error: "must be a mapping of headers to lists" },
    )
    .optional(),
};

function checkProxy(
  value: { proxy_url?: unknown; no_proxy?: unknown; proxy_connect_header?: unknown },
  context: z.RefinementCtx,
): void {
  for (const key of ["no_proxy", "proxy_connect_header"] as const) {
    if (value.proxy_url === undefined && value[key] !== undefined)
      complain(context, `has ${key} without proxy_url`);
  }
}

const oauth2 = section({
  client_id: text,
  client_secret: text.optional(),
  client_secret_file: text.optional(),
  scopes: z.array(text, { error: "must be a list of texts" }).default([]),
  token_url: webUrl.refine(
    (url) => URL.canParse(url) && new URL(url).username === "" && new URL(url).password === "",
    "must hold no user and no password",
  ),
  endpoint_params: z
    .record(z.string(), z.string({ error: "must be a text" }), { error: "must be a mapping" })
    .default({}),
  tls_config: tlsConfig.optional(),
  ...proxyKeys,
}).superRefine((value, context) => {
  onlyOne(value, ["client_secret", "client_secret_file"], context);
  checkProxy(value, context);
});

const header = section({
  values: z.array(headerText, { error: "must be a list of texts" }).default([]),
  secrets: z.array(headerText, { error: "must be a list of texts" }).default([]),
  files: z.array(text, { error: "must be a list of file names" }).default([]),
});

const headers = z
  .record(
    z.string(),
    // One text is how Prometheus' remote_write writes it.
    z.union([headerText.transform((value) => ({ values: [value], secrets: [], files: [] })), header], {
      error: "must be a text, or a mapping with values, secrets or files, each a list",
    }),
    { error: "must be a mapping of headers" },
  )
  .superRefine((value, context) => {
    const seen = new Set<string>();
    for (const [name, { values, secrets, files }] of Object.entries(value)) {
      const small = name.toLowerCase();
      if (!headerName.test(name)) {
        // It is not told: it may be a secret in the wrong place, or break the line.
        complain(context, "has a name that no header can have");
        continue;
      }
      if (reservedHeaders.has(small)) complain(context, `has ${name}, which cannot be set here`);
      if (seen.has(small)) complain(context, `has ${name} twice`);
      seen.add(small);
      if (values.length + secrets.length + files.length === 0)
        complain(context, `has ${name} without a value`);
    }
  });

/** One entry of SCRAPE_AUTH_FILE, in the words of Prometheus' HTTP client configuration. */
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
