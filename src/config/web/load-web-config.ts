import { AppError, ConfigError, codeOf, describeError } from "../../errors.js";
import { readTls } from "./read-tls.js";
import { nameOf, readWebConfig, webConfigProblem } from "./read-web-config.js";
import type { RateLimitSection, WebConfigText } from "./schema.js";
import type { RateLimit, ReadFile, WebConfig } from "./web-config.js";

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
