import { ConfigError, codeOf } from "../errors.js";
import { readText } from "../files/read-text.js";
import { fileState } from "../files/watch-file.js";
import type { Config } from "./config.js";
import { readSecretFile } from "./environment.js";
import { bearerToken } from "./readers.js";
import { loadWebConfig, type WebConfig } from "./web/load-web-config.js";

/** Authentication and transport of the HTTP port. */
export interface Access extends WebConfig {
  /** Clients that send this token are authenticated, as are users with their password. */
  readonly bearerToken?: string | undefined;
}

/** Plain HTTP without authentication. */
export const openAccess: Access = { headers: {}, users: new Map() };

/** The settings that loadAccess needs. */
export type AccessSettings = Pick<Config, "webConfigFile" | "bearerToken" | "bearerTokenFile">;

const maxFileBytes = 1024 * 1024;

/**
 * Reads WEB_CONFIG_FILE with the files that it names, and BEARER_TOKEN_FILE.
 *
 * @param seen receives each file that is read, with its signature before reading (see fileState), even if reading fails.
 * @throws ConfigError with one line per problem.
 */
export async function loadAccess(
  settings: AccessSettings,
  seen: Map<string, string>,
  signal: AbortSignal,
): Promise<Access> {
  const note = async (path: string) => void seen.set(path, (await fileState(path)).signature);
  const readFile = async (path: string) => {
    await note(path);
    return readText(path, maxFileBytes, signal);
  };
  const { webConfigFile, bearerTokenFile } = settings;
  const web = webConfigFile === undefined ? openAccess : await loadWebConfig(webConfigFile, readFile);
  if (bearerTokenFile !== undefined) await note(bearerTokenFile);
  const token = bearerTokenFile === undefined ? settings.bearerToken : readTokenFile(bearerTokenFile);
  return { ...web, bearerToken: token };
}

function readTokenFile(path: string): string {
  let reason: string;
  try {
    const reading = bearerToken(readSecretFile(path));
    if ("value" in reading) return reading.value;
    reason = `it must contain ${reading.expected}`;
  } catch (error) {
    reason = codeOf(error) ?? (error as Error).message;
  }
  throw new ConfigError([`BEARER_TOKEN_FILE=${JSON.stringify(path)} is invalid: ${reason}`]);
}
