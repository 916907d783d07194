import { z } from "zod";
import { parseYaml } from "../files/yaml-text.js";
import { quoted } from "../model/path-segment.js";
import { flag, headerName, headerText, listOf, oneOf, section, text } from "./schema-primitives.js";
import { tlsVersionNames, tlsVersions } from "./tls-names.js";

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

function addProblem(context: z.RefinementCtx, message: string): void {
  context.addIssue({ code: "custom", message });
}

/** Adds a problem if more than one of these keys is set. */
function onlyOne(value: object, keys: readonly string[], context: z.RefinementCtx): void {
  const present = keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined);
  if (present.length > 1) addProblem(context, `has ${present.join(" and ")}; only one of them is allowed`);
}

/** A section in which a key excludes its variant with the suffix `_file`. */
function secretSection<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const keys = Object.keys(shape).filter((key) => `${key}_file` in shape);
  return section(shape).superRefine((value, context) => {
    for (const key of keys) onlyOne(value, [key, `${key}_file`], context);
  });
}

const basicAuth = secretSection({
  username: text.optional(),
  username_file: text.optional(),
  password: text.optional(),
  password_file: text.optional(),
});

const authorization = secretSection({
  type: text
    .refine((type) => headerName.test(type), "must be a single word, such as Bearer")
    .refine((type) => type.toLowerCase() !== "basic", "must not be Basic; use basic_auth")
    .default("Bearer"),
  credentials: headerText.optional(),
  credentials_file: text.optional(),
});

const tlsConfig = secretSection({
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
  const hasCertificate = (value.cert ?? value.cert_file) !== undefined;
  const hasKey = (value.key ?? value.key_file) !== undefined;
  if (hasCertificate && !hasKey) addProblem(context, "has a certificate, but neither key nor key_file");
  if (hasKey && !hasCertificate) addProblem(context, "has a key, but neither cert nor cert_file");
  const { min_version: min, max_version: max } = value;
  if (min !== undefined && max !== undefined && min > max)
    addProblem(context, "has a min_version above max_version");
});

const proxyKeys = {
  /** May contain user and password of the proxy, and is therefore a secret. */
  proxy_url: webUrl.optional(),
  /** Hosts that are requested without the proxy, as written. */
  no_proxy: z
    .string({ error: "must be a string" })
    .transform((list) => list.split(",").map((part) => part.trim()))
    .transform((parts) => parts.filter((part) => part !== ""))
    .optional(),
  /** Headers of the CONNECT request. Secrets. */
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

const oauth2 = secretSection({
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
}).superRefine(checkProxy);

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

const entrySchema = section({
  basic_auth: basicAuth.optional(),
  authorization: authorization.optional(),
  oauth2: oauth2.optional(),
  tls_config: tlsConfig.optional(),
  http_headers: headers.optional(),
  headers: headers.optional(),
  ...proxyKeys,
  follow_redirects: flag.default(true),
  enable_http2: flag.optional(),
})
  .superRefine((value, context) => {
    onlyOne(value, ["basic_auth", "authorization", "oauth2"], context);
    onlyOne(value, ["http_headers", "headers"], context);
    checkProxy(value, context);
  })
  .transform(({ headers, http_headers = headers ?? {}, ...entry }) => ({ ...entry, http_headers }));

/**
 * One entry of SCRAPE_AUTH_FILE, with the keys of Prometheus' HTTP client configuration.
 *
 * @see https://prometheus.io/docs/prometheus/latest/configuration/configuration/#http_config
 */
export type AuthEntry = z.output<typeof entrySchema>;
/** A token from the client credentials grant (RFC 6749, 4.4). */
export type OAuth2Section = z.output<typeof oauth2>;
export type TlsSection = z.output<typeof tlsConfig>;
export type ProxySettings = Pick<AuthEntry, keyof typeof proxyKeys>;

/** SCRAPE_AUTH_FILE is invalid; one line per problem. No line contains a value, because any value may be a secret. */
export class ScrapeAuthFault extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join("; "));
  }
}

const maxNameLength = 200;

/**
 * Parses SCRAPE_AUTH_FILE: a mapping, in YAML or JSON, from names to HTTP client configurations. YAML scalars keep
 * their text: the password `0123` does not become a number. An empty entry is valid: its targets are scraped without
 * credentials, even if there is a `default`.
 *
 * @throws ScrapeAuthFault with all problems, each with its entry and key.
 */
export function readScrapeAuth(text: string): ReadonlyMap<string, AuthEntry> {
  const document = parseDocument(text);
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new ScrapeAuthFault(["the file must be a mapping from names to configurations"]);
  }
  const problems: string[] = [];
  const entries = new Map<string, AuthEntry>();
  for (const [name, raw] of Object.entries(document)) {
    if (name.trim() !== name || name === "" || name.length > maxNameLength) {
      problems.push(
        `entry ${quoted(name)}: the name must have 1 to ${maxNameLength} characters, without spaces around it`,
      );
    }
    const parsed = entrySchema.safeParse(raw === null || raw === "" ? {} : raw);
    if (parsed.success) entries.set(name, parsed.data);
    for (const { path, message } of parsed.error?.issues ?? []) {
      problems.push(`entry ${quoted(name)}: ${placeOf(path)} ${message}`);
    }
  }
  if (problems.length > 0) throw new ScrapeAuthFault(problems);
  return entries;
}

function parseDocument(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON. If it was meant to be, the YAML parser reports the error.
  }
  try {
    return parseYaml(text);
  } catch (error) {
    throw new ScrapeAuthFault([`the file is neither YAML nor JSON: ${(error as Error).message}`]);
  }
}

/** The place of a problem. Hides texts that do not look like keys: they may be secrets in the wrong place. */
function placeOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "the configuration";
  return path.map((key) => (/^[\w-]{1,60}$/.test(String(key)) ? String(key) : "…")).join(".");
}
