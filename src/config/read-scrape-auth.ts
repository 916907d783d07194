import { resolve } from "node:path";
import { parseYaml } from "../files/yaml-text.js";
import { quoted } from "../model/path-segment.js";
import type {
  AuthorizationSettings,
  AuthSettings,
  HeaderSettings,
  ProxySettings,
  ScrapeAuth,
  Secret,
  TlsSettings,
} from "./scrape-auth.js";
import {
  authEntrySchema,
  type RawAuthEntry,
  type RawProxyKeys,
  type RawTlsConfig,
} from "./scrape-auth-schema.js";

/** SCRAPE_AUTH_FILE is invalid; one line per problem. No line contains a value, because any value may be a secret. */
export class ScrapeAuthFault extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join("; "));
  }
}

const maxNameLength = 200;

/**
 * Parses SCRAPE_AUTH_FILE: a mapping, in YAML or JSON, from names to HTTP client configurations with the keys of
 * Prometheus. YAML scalars keep their text: the password `0123` does not become a number. An empty entry is valid: its
 * targets are scraped without credentials, even if there is a `default`.
 *
 * @param folder the folder of the file, to which file names are relative.
 * @throws ScrapeAuthFault with all problems, each with its entry and key.
 */
export function readScrapeAuth(text: string, folder: string): ScrapeAuth {
  const document = parseDocument(text);
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new ScrapeAuthFault(["the file must be a mapping from names to configurations"]);
  }
  const problems: string[] = [];
  const entries = new Map<string, AuthSettings>();
  for (const [name, raw] of Object.entries(document)) {
    if (name.trim() !== name || name === "" || name.length > maxNameLength) {
      problems.push(
        `entry ${quoted(name)}: the name must have 1 to ${maxNameLength} characters, without spaces around it`,
      );
    }
    const parsed = authEntrySchema.safeParse(raw === null || raw === "" ? {} : raw);
    if (parsed.success) entries.set(name, settingsOf(parsed.data, folder));
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

function settingsOf(raw: RawAuthEntry, folder: string): AuthSettings {
  const secret = secretsIn(folder);
  return {
    ...present("authorization", authorizationOf(raw, folder)),
    ...present("tls", tlsOf(raw.tls_config, "tls_config", folder)),
    headers: Object.entries(raw.http_headers ?? raw.headers ?? {}).map(([name, header]): HeaderSettings => {
      const key = `http_headers.${name}`;
      const { values, secrets, files } = header;
      return {
        name: name.toLowerCase(),
        values: [
          ...[...values, ...secrets].map((value): Secret => ({ key, text: value })),
          ...files.map((file) => secret(`${key}.files`, undefined, file)!),
        ],
      };
    }),
    ...present("proxy", proxyOf(raw)),
    followRedirects: raw.follow_redirects,
  };
}

function authorizationOf(raw: RawAuthEntry, folder: string): AuthorizationSettings | undefined {
  const secret = secretsIn(folder);
  const { basic_auth: basic, authorization, oauth2 } = raw;
  if (basic !== undefined) {
    return {
      kind: "basic",
      ...present("username", secret("basic_auth.username", basic.username, basic.username_file)),
      ...present("password", secret("basic_auth.password", basic.password, basic.password_file)),
    };
  }
  if (authorization !== undefined) {
    const { type, credentials, credentials_file: file } = authorization;
    return {
      kind: "authorization",
      type,
      ...present("credentials", secret("authorization.credentials", credentials, file)),
    };
  }
  if (oauth2 === undefined) return undefined;
  return {
    kind: "oauth2",
    clientId: oauth2.client_id,
    ...present(
      "clientSecret",
      secret("oauth2.client_secret", oauth2.client_secret, oauth2.client_secret_file),
    ),
    scopes: oauth2.scopes,
    tokenUrl: oauth2.token_url,
    endpointParams: oauth2.endpoint_params,
    ...present("tls", tlsOf(oauth2.tls_config, "oauth2.tls_config", folder)),
    ...present("proxy", proxyOf(oauth2)),
  };
}

function tlsOf(raw: RawTlsConfig | undefined, at: string, folder: string): TlsSettings | undefined {
  if (raw === undefined) return undefined;
  const secret = secretsIn(folder);
  return {
    ...present("ca", secret(`${at}.ca`, raw.ca, raw.ca_file)),
    ...present("cert", secret(`${at}.cert`, raw.cert, raw.cert_file)),
    ...present("key", secret(`${at}.key`, raw.key, raw.key_file)),
    ...present("serverName", raw.server_name),
    insecureSkipVerify: raw.insecure_skip_verify,
    ...present("minVersion", raw.min_version),
    ...present("maxVersion", raw.max_version),
  };
}

function proxyOf(raw: RawProxyKeys): ProxySettings | undefined {
  if (raw.proxy_url === undefined) return undefined;
  const noProxy = (raw.no_proxy ?? "").split(",").map((part) => part.trim());
  return {
    url: raw.proxy_url,
    noProxy: noProxy.filter((part) => part !== ""),
    connectHeaders: raw.proxy_connect_header ?? {},
  };
}

/** Creates secrets from a key or its variant with the suffix `_file`; at most one of them is set. */
function secretsIn(folder: string) {
  return (key: string, text: string | undefined, file: string | undefined): Secret | undefined => {
    if (text !== undefined) return { key, text };
    if (file === undefined) return undefined;
    return { key: key.endsWith(".files") ? key : `${key}_file`, file: resolve(folder, file) };
  };
}

function present<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
