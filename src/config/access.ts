import { ConfigError, codeOf } from "../errors.js";
import { readText } from "../files/read-text.js";
import { fileState } from "../files/watch-file.js";
import type { Config } from "./config.js";
import { readSecretFile } from "./environment.js";
import { bearerToken } from "./readers.js";
import { loadWebConfig } from "./web/load-web-config.js";
import type { WebConfig } from "./web/web-config.js";

/** Who may use the HTTP port, and how it is spoken to. */
export interface Access extends WebConfig {
  /** Who shows it comes in, as users with their password do. */
  readonly bearerToken?: string;
}

/** Plain HTTP for everybody. */
export const openAccess: Access = { headers: {}, users: new Map() };

/** The settings that access is read from. */
export type AccessSettings = Pick<Config, "webConfigFile" | "bearerToken" | "bearerTokenFile">;

const maxFileBytes = 1024 * 1024;

/**
 * Reads the files that say who may use the HTTP port.
 *
 * @param seen is filled with every file that was looked at and the state that it was in before (see fileState), also
 *   where reading fails.
 * @throws ConfigError with one line for each thing that is wrong.
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
  return { ...web, ...(token === undefined ? {} : { bearerToken: token }) };
}

function readTokenFile(path: string): string {
  let reason: string;
  try {
    const reading = bearerToken(readSecretFile(path).trim());
    if ("value" in reading) return reading.value;
    reason = `allowed is ${reading.allowed}`;
  } catch (error) {
    reason = codeOf(error) ?? (error as Error).message;
  }
  throw new ConfigError([`BEARER_TOKEN_FILE=${JSON.stringify(path)} cannot be used: ${reason}`]);
}
