import type { z } from "zod";
import { ConfigError, codeOf, describeError } from "../../errors.js";
import { parseYaml } from "../../files/yaml-text.js";
import { readTls, type TlsConfig, type WebConfigFiles } from "./read-tls.js";
import { type RateLimitSection, type WebConfigText, webConfigSchema } from "./schema.js";

/** WEB_CONFIG_FILE, validated, with the contents of the files that it names. */
export interface WebConfig {
  /** Without it, plain HTTP. */
  readonly tls?: TlsConfig | undefined;
  /** Headers of every response. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bcrypt hashes by user name, for basic authentication. Empty: basic authentication is off. */
  readonly users: ReadonlyMap<string, string>;
  readonly rateLimit?: RateLimit | undefined;
}

/** A token bucket: `burst` requests at once, then one every `interval` seconds. */
export interface RateLimit {
  readonly interval: number;
  readonly burst: number;
}

const secretKeys = new Set(["key", "cert", "client_ca"]);

/**
 * Reads WEB_CONFIG_FILE and the files that it names, relative to its folder.
 *
 * @throws ConfigError with one line per problem: the file, the key, and what it must be.
 */
export async function loadWebConfig(path: string, readFile: WebConfigFiles["readFile"]): Promise<WebConfig> {
  const text = await readFile(path).catch((error) => {
    const why = codeOf(error) ?? describeError(error);
    throw new ConfigError([
      `WEB_CONFIG_FILE=${JSON.stringify(path)} is invalid: must be the path of a readable file of at most 1 MiB (${why})`,
    ]);
  });
  const written = readWebConfig(text, path);
  const problems: string[] = [];
  const tls = await readTls(written.tls_server_config ?? {}, { path, readFile, problems });
  const rateLimit = readRateLimit(written.rate_limit ?? {}, problems);
  const users = new Map(Object.entries(written.basic_auth_users ?? {}));
  for (const user of users.keys()) {
    if (!user.includes(":")) continue;
    problems.push(`basic_auth_users: the user name ${nameOf(user)} must not contain a colon`);
  }
  if (problems.length > 0) throw new ConfigError(problems.map((problem) => webConfigProblem(path, problem)));
  const headers = Object.entries(written.http_server_config?.headers ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { tls, headers: Object.fromEntries(headers), users, rateLimit };
}

const unitSeconds: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

/** Without an interval, or with 0, there is no limit, as in the exporter-toolkit. */
function readRateLimit(
  { interval = "0", burst }: RateLimitSection,
  problems: string[],
): RateLimit | undefined {
  let seconds = 0;
  for (const [, number, unit] of interval.matchAll(/([\d.]+)([a-zµ]+)/g)) {
    seconds += Number(number) * (unitSeconds[unit ?? ""] ?? 0);
  }
  if (seconds === 0) return undefined;
  if (burst === undefined) {
    problems.push(
      "rate_limit.burst is missing: must be a whole number from 1, because without it every request would be rejected",
    );
    return undefined;
  }
  return { interval: seconds, burst: Number(burst) };
}

/** Parses a web configuration. @throws ConfigError with one line per problem, which begins with the path. */
function readWebConfig(text: string, path: string): WebConfigText {
  let content: unknown;
  try {
    // An empty file is a valid configuration.
    content = parseYaml(text) || {};
  } catch (error) {
    throw new ConfigError([webConfigProblem(path, `the file is not valid YAML: ${describeError(error)}`)]);
  }
  // The schema ignores this key, and a user who is dropped silently may be the only one.
  if (hasKey(content, "__proto__"))
    throw new ConfigError([webConfigProblem(path, "the file must not contain the key __proto__")]);
  const reading = webConfigSchema.safeParse(content, { reportInput: true });
  if (!reading.success) {
    throw new ConfigError(reading.error.issues.map((issue) => webConfigProblem(path, problemOf(issue))));
  }
  return reading.data;
}

function hasKey(content: unknown, key: string): boolean {
  if (typeof content !== "object" || content === null) return false;
  return Object.hasOwn(content, key) || Object.values(content).some((value) => hasKey(value, key));
}

/** The message for a problem of a web configuration. */
function webConfigProblem(path: string, problem: string): string {
  return `WEB_CONFIG_FILE ${path}: ${problem}`;
}

function problemOf(issue: z.core.$ZodIssue): string {
  const place = issue.path.map(nameOf).join(".");
  return `${place === "" ? "the file" : place}${shown(issue)} ${issue.message}`;
}

/** A key on one line, without the part after a colon, which may be a password hash after a missing space. */
function nameOf(key: PropertyKey): string {
  const [name = "", ...rest] = String(key).split(":");
  const short = name.slice(0, 100) + (rest.length > 0 || name.length > 100 ? "…" : "");
  return /^[\w-]*$/.test(short) ? short : JSON.stringify(short);
}

/** The value, shortened, unless it may be a secret: anything may be in the place of a mapping. */
function shown({ path, input }: z.core.$ZodIssue): string {
  const isSecret = path.length < 2 || path[0] === "basic_auth_users" || secretKeys.has(String(path[1]));
  return typeof input === "string" && !isSecret ? `=${JSON.stringify(input.slice(0, 100))}` : "";
}
