import { X509Certificate } from "node:crypto";
import { resolve } from "node:path";
import { createSecureContext, DEFAULT_CIPHERS } from "node:tls";
import { isHeaderValue } from "../../config/schema-primitives.js";
import type { AuthEntry, TlsSection } from "../../config/scrape-auth.js";
import { needsLowestLevel } from "../../config/tls-names.js";
import { codeOf } from "../../errors.js";
import { readText } from "../../files/read-text.js";

/** The secrets of an entry, with the content of its files. Comparable as JSON. */
export type EntrySecrets = Awaited<ReturnType<typeof loadEntrySecrets>>;

/**
 * Reads all files of an entry.
 *
 * @param folder the folder of SCRAPE_AUTH_FILE, to which file names are relative.
 * @throws Error that names key and file, without any secret.
 */
export async function loadEntrySecrets(entry: AuthEntry, folder: string) {
  const { tls_config: tls, oauth2 } = entry;
  const headers: Record<string, string | string[]> = {};
  for (const [name, { values, secrets, files }] of Object.entries(entry.http_headers)) {
    const contents = files.map((file) => readSecretFile(`http_headers.${name}.files`, resolve(folder, file)));
    headers[name.toLowerCase()] = [...values, ...secrets, ...(await Promise.all(contents)).map(headerText)];
  }
  const authorization = await authorizationHeader(entry, folder);
  if (authorization !== undefined) headers["authorization"] = authorization;
  const clientSecret = oauth2 && (await readSecret(oauth2, "oauth2", "client_secret", folder));
  return {
    /** Request headers by lower-case name. Includes `authorization`, unless that needs a token. */
    headers,
    tls: tls && (await loadTlsMaterial(tls, "tls_config", folder)),
    /** For the token server, as is `tokenTls`. */
    clientSecret: clientSecret?.text,
    tokenTls: oauth2?.tls_config && (await loadTlsMaterial(oauth2.tls_config, "oauth2.tls_config", folder)),
  };
}

/** The Authorization header (RFC 7617, RFC 6750); undefined if there is none, or it needs a token. */
async function authorizationHeader(
  { basic_auth: basic, authorization }: AuthEntry,
  folder: string,
): Promise<string | undefined> {
  if (authorization !== undefined) {
    const credentials = await readSecret(authorization, "authorization", "credentials", folder);
    return credentials === undefined
      ? authorization.type
      : `${authorization.type} ${headerText(credentials)}`;
  }
  if (basic === undefined) return undefined;
  const username = await readSecret(basic, "basic_auth", "username", folder);
  if (username?.text.includes(":")) throw new Error(`${username.place} must not contain a colon`);
  const password = await readSecret(basic, "basic_auth", "password", folder);
  return `Basic ${Buffer.from(`${username?.text ?? ""}:${password?.text ?? ""}`).toString("base64")}`;
}

function headerText({ place, text }: Secret): string {
  if (!isHeaderValue(text)) throw new Error(`${place} contains characters that are not allowed in a header`);
  return text;
}

/** A `tls_config` with the content of its files, as options of `tls.connect`. */
export type TlsMaterial = Awaited<ReturnType<typeof loadTlsMaterial>>;

/** Reads and checks the files of a `tls_config`. */
async function loadTlsMaterial(section: TlsSection, at: string, folder: string) {
  const ca = await readSecret(section, at, "ca", folder);
  const cert = await readSecret(section, at, "cert", folder);
  const key = await readSecret(section, at, "key", folder);
  for (const secret of [ca, cert]) if (secret !== undefined) checkCertificates(secret);
  if (cert !== undefined && key !== undefined) {
    try {
      createSecureContext({ cert: cert.text, key: key.text });
    } catch {
      throw new Error(`${key.place} must be the PEM private key, without a passphrase, for ${cert.place}`);
    }
  }
  const { min_version: min, max_version: max } = section;
  const old = [min, max].some((version) => version !== undefined && needsLowestLevel(version));
  return {
    ca: ca?.text,
    cert: cert?.text,
    key: key?.text,
    servername: section.server_name,
    rejectUnauthorized: !section.insecure_skip_verify,
    minVersion: min ?? (old ? max : undefined),
    maxVersion: max,
    ciphers: old ? `${DEFAULT_CIPHERS}@SECLEVEL=0` : undefined,
  };
}

function checkCertificates({ place, text }: Secret): void {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length === 0) throw new Error("no certificate");
    for (const block of blocks) new X509Certificate(block);
  } catch {
    throw new Error(`${place} must contain PEM certificates`);
  }
}

/** A secret, and its place for messages, which never contain its text. */
interface Secret {
  readonly place: string;
  readonly text: string;
}

/** Reads the key `name` of a section, or the file that its variant with the suffix `_file` names. */
async function readSecret<K extends string>(
  section: { readonly [P in K | `${K}_file`]?: string | undefined },
  at: string,
  name: K,
  folder: string,
): Promise<Secret | undefined> {
  const text = section[name];
  if (text !== undefined) return { place: `${at}.${name}`, text };
  const file = section[`${name}_file`];
  return file === undefined ? undefined : await readSecretFile(`${at}.${name}_file`, resolve(folder, file));
}

/** Maximum size of a secret, large enough for certificate chains. */
const maxBytes = 256 * 1024;

/** Like Prometheus, trims whitespace from files. An empty file is rejected: it may be incomplete. */
async function readSecretFile(key: string, file: string): Promise<Secret> {
  const place = `${key}: ${file}`;
  const text = await readText(file, maxBytes).catch((error: unknown) => {
    throw new Error(`${place} must be a readable file (${codeOf(error) ?? (error as Error).message})`);
  });
  if (text.trim() === "") throw new Error(`${place} is empty`);
  return { place, text: text.trim() };
}
