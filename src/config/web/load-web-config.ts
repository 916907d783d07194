import type { z } from "zod";
import { AppError, ConfigError, codeOf, describeError } from "../../errors.js";
import { parseYaml } from "../../files/yaml-text.js";
import { readTls } from "./read-tls.js";
import { type RateLimitSection, type WebConfigText, webConfigSchema } from "./schema.js";
import type { RateLimit, ReadFile, WebConfig } from "./web-config.js";

const secretKeys = new Set(["key", "cert", "client_ca"]);

/**
 * Reads WEB_CONFIG_FILE and the files that it names, relative to its folder.
 *
 * @throws ConfigError with one line per problem: the file, the key, and what it must be.
 */
export async function loadWebConfig(path: string, readFile: ReadFile): Promise<WebConfig> {
  const text = await readFile(path).catch((error) => {
    const why = codeOf(error) ?? describeError(error);
    throw new ConfigError([
      `WEB_CONFIG_FILE=${JSON.stringify(path)} is invalid: must be the path of a readable file of at most 1 MiB (${why})`,
    ]);
  });
  const written = readWebConfig(text, path);
  const problems: string[] = [];
  const collect = async <T>(reading: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await reading();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      problems.push(...(error instanceof ConfigError ? error.problems : [error.message]));
      return undefined;
    }
  };
  const tls = await collect(() => readTls(written.tls_server_config ?? {}, path, readFile));
  const rateLimit = await collect(() => readRateLimit(written.rate_limit ?? {}));
  const users = await collect(() => readUsers(written));
  if (problems.length > 0 || users === undefined) {
    throw new ConfigError(problems.map((problem) => webConfigProblem(path, problem)));
  }
  const headers = Object.entries(written.http_server_config?.headers ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return {
    ...(tls === undefined ? {} : { tls }),
    headers: Object.fromEntries(headers),
    users,
    ...(rateLimit === undefined ? {} : { rateLimit }),
  };
}

function readUsers({ basic_auth_users = {} }: WebConfigText): ReadonlyMap<string, string> {
  const users = new Map(Object.entries(basic_auth_users));
  const problems = [...users.keys()]
    .filter((user) => user.includes(":"))
    .map((user) => `basic_auth_users: the user name ${nameOf(user)} must not contain a colon`);
  if (problems.length > 0) throw new ConfigError(problems);
  return users;
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
function readRateLimit({ interval = "0", burst }: RateLimitSection): RateLimit | undefined {
  let seconds = 0;
  for (const [, number, unit] of interval.matchAll(/([\d.]+)([a-zµ]+)/g)) {
    seconds += Number(number) * (unitSeconds[unit ?? ""] ?? 0);
  }
  if (seconds === 0) return undefined;
  if (burst === undefined) {
    throw new ConfigError([
      "rate_limit.burst is missing: must be a whole number from 1, because without it every request would be rejected",
    ]);
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
