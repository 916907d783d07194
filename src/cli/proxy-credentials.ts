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
  // YAML omits what is undefined.
  const tls = { ca_file: caFile, cert_file: certFile, key_file: keyFile };
  return {
    basic_auth: username === undefined ? undefined : { username, password_file: passwordFile },
    authorization: bearerTokenFile === undefined ? undefined : { credentials_file: bearerTokenFile },
    tls_config: caFile === undefined && certFile === undefined ? undefined : tls,
  };
}

/**
 * The credentials for requests of this program.
 *
 * @throws AppError if a file cannot be read.
 */
export function requestSettings(credentials: ProxyCredentials) {
  const { username, passwordFile, bearerTokenFile, caFile, certFile, keyFile } = credentials;
  let authorization = bearerTokenFile && `Bearer ${readSecret(bearerTokenFile)}`;
  if (passwordFile !== undefined) {
    const pair = Buffer.from(`${username}:${readSecret(passwordFile)}`);
    authorization = `Basic ${pair.toString("base64")}`;
  }
  const connect = {
    ...(caFile && { ca: read(caFile) }),
    ...(certFile && { cert: read(certFile) }),
    ...(keyFile && { key: read(keyFile) }),
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
