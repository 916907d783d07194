import { readFileSync } from "node:fs";
import { Agent } from "undici";
import { AppError } from "../errors.js";

const maxResponseBytes = 64 * 1024 * 1024;

/** Credentials for proxies with authentication. All but the user name are paths of files. */
export interface ProxyCredentials {
  readonly username?: string;
  readonly passwordFile?: string;
  readonly bearerTokenFile?: string;
  /** Certificate authority of the proxies. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/**
 * The credentials as keys of Prometheus' scrape and http_sd configurations.
 *
 * @throws AppError if one of two options that require each other is missing, or two options exclude each other.
 */
export function scrapeSettings(credentials: ProxyCredentials): object {
  const { username, passwordFile, bearerTokenFile, caFile, certFile, keyFile } = credentials;
  if ((username === undefined) !== (passwordFile === undefined)) {
    throw new AppError("--username and --password-file require each other: set both or neither");
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new AppError("--cert-file and --key-file require each other: set both or neither");
  }
  if (username !== undefined && bearerTokenFile !== undefined) {
    throw new AppError("--username and --bearer-token-file exclude each other: set only one of them");
  }
  const tls = {
    ...(caFile === undefined ? {} : { ca_file: caFile }),
    ...(certFile === undefined ? {} : { cert_file: certFile, key_file: keyFile }),
  };
  return {
    ...(username === undefined ? {} : { basic_auth: { username, password_file: passwordFile } }),
    ...(bearerTokenFile === undefined ? {} : { authorization: { credentials_file: bearerTokenFile } }),
    ...(Object.keys(tls).length === 0 ? {} : { tls_config: tls }),
  };
}

/**
 * The credentials for requests of this program.
 *
 * @throws AppError if a file cannot be read.
 */
export function requestSettings(credentials: ProxyCredentials) {
  const { username, passwordFile, bearerTokenFile, caFile, certFile, keyFile } = credentials;
  const basic =
    passwordFile === undefined
      ? undefined
      : Buffer.from(`${username}:${readSecret(passwordFile)}`).toString("base64");
  const authorization =
    basic === undefined ? bearerTokenFile && `Bearer ${readSecret(bearerTokenFile)}` : `Basic ${basic}`;
  const connect = {
    ...(caFile === undefined ? {} : { ca: read(caFile) }),
    ...(certFile === undefined ? {} : { cert: read(certFile) }),
    ...(keyFile === undefined ? {} : { key: read(keyFile) }),
  };
  return {
    headers: authorization === undefined ? {} : { authorization },
    dispatcher: new Agent({ connect, maxResponseSize: maxResponseBytes }),
  };
}

/** Removes surrounding whitespace, as Prometheus does for password_file and credentials_file. */
function readSecret(file: string): string {
  return read(file).trim();
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new AppError(`cannot read ${file}`, { cause });
  }
}
