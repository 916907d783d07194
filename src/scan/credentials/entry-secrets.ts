import { X509Certificate } from "node:crypto";
import { createSecureContext, DEFAULT_CIPHERS, type SecureVersion } from "node:tls";
import { isHeaderValue } from "../../config/schema-primitives.js";
import type { AuthorizationSettings, AuthSettings, Secret, TlsSettings } from "../../config/scrape-auth.js";
import { needsLowestLevel } from "../../config/tls-versions.js";
import { codeOf } from "../../errors.js";
import { readText } from "../../files/read-text.js";

/** The secrets of an entry, with the content of its files. */
export interface EntrySecrets {
  /** Request headers by lower-case name. Includes `authorization`, unless that needs a token. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly tls?: TlsMaterial;
  /** For the token server. */
  readonly clientSecret?: string;
  readonly tokenTls?: TlsMaterial;
}

/**
 * Reads all files of an entry.
 *
 * @throws Error that names key and file, without any secret.
 */
export async function loadEntrySecrets(settings: AuthSettings): Promise<EntrySecrets> {
  const headers: Record<string, string | string[]> = {};
  for (const { name, values } of settings.headers) headers[name] = await Promise.all(values.map(headerText));
  const { authorization } = settings;
  const value = authorization && (await authorizationHeader(authorization));
  if (value !== undefined) headers["authorization"] = value;
  const oauth2 = authorization?.kind === "oauth2" ? authorization : undefined;
  return {
    headers,
    ...(settings.tls && { tls: await loadTlsMaterial(settings.tls) }),
    ...(oauth2?.clientSecret && { clientSecret: await secretText(oauth2.clientSecret) }),
    ...(oauth2?.tls && { tokenTls: await loadTlsMaterial(oauth2.tls) }),
  };
}

/** The Authorization header (RFC 7617, RFC 6750); undefined if it needs a token from a token server. */
async function authorizationHeader(settings: AuthorizationSettings): Promise<string | undefined> {
  if (settings.kind === "oauth2") return undefined;
  if (settings.kind === "authorization") {
    const { type, credentials } = settings;
    return credentials === undefined ? type : `${type} ${await headerText(credentials)}`;
  }
  const username = settings.username === undefined ? "" : await secretText(settings.username);
  if (username.includes(":")) throw new Error(`${settings.username?.key} must not contain a colon`);
  const password = settings.password === undefined ? "" : await secretText(settings.password);
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

async function headerText(secret: Secret): Promise<string> {
  const text = await secretText(secret);
  if (!isHeaderValue(text))
    throw new Error(`${secret.key} contains characters that are not allowed in a header`);
  return text;
}

/** A `tls_config` with the content of its files, as options of `tls.connect`. Comparable as JSON. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
  readonly ciphers?: string;
}

/** Reads and checks the files of a `tls_config`. */
async function loadTlsMaterial(settings: TlsSettings): Promise<TlsMaterial> {
  const { ca, cert, key, serverName, insecureSkipVerify, minVersion, maxVersion } = settings;
  const texts = {
    ...(ca && { ca: await certificates(ca) }),
    ...(cert && { cert: await certificates(cert) }),
    ...(key && { key: await secretText(key) }),
  };
  if (cert !== undefined && key !== undefined) {
    try {
      createSecureContext({ cert: texts.cert, key: texts.key });
    } catch {
      throw new Error(
        `${placeOf(key)} must be the PEM private key, without a passphrase, for ${placeOf(cert)}`,
      );
    }
  }
  const old = [minVersion, maxVersion].some((version) => version !== undefined && needsLowestLevel(version));
  return {
    ...texts,
    ...(serverName === undefined ? {} : { servername: serverName }),
    rejectUnauthorized: !insecureSkipVerify,
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined
      ? {}
      : { maxVersion, ...(minVersion === undefined && old && { minVersion: maxVersion }) }),
    ...(old && { ciphers: `${DEFAULT_CIPHERS}@SECLEVEL=0` }),
  };
}

async function certificates(secret: Secret): Promise<string> {
  const pem = await secretText(secret);
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length === 0) throw new Error("no certificate");
    for (const block of blocks) new X509Certificate(block);
  } catch {
    throw new Error(`${placeOf(secret)} must contain PEM certificates`);
  }
  return pem;
}

function placeOf(secret: Secret): string {
  return "file" in secret ? `${secret.key}: ${secret.file}` : secret.key;
}

/** Maximum size of a secret, large enough for certificate chains. */
const maxBytes = 256 * 1024;

/** Reads a secret. Like Prometheus, trims whitespace from files. An empty file is rejected: it may be incomplete. */
async function secretText(secret: Secret): Promise<string> {
  if ("text" in secret) return secret.text;
  const text = await readText(secret.file, maxBytes).catch((error: unknown) => {
    const reason = codeOf(error) ?? (error as Error).message;
    throw new Error(`${secret.key}: ${secret.file} must be a readable file (${reason})`);
  });
  if (text.trim() === "") throw new Error(`${secret.key}: ${secret.file} is empty`);
  return text.trim();
}
