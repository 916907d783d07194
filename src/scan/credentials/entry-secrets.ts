import { isHeaderValue } from "../../config/schema-primitives.js";
import type { AuthorizationSettings, AuthSettings, Secret } from "../../config/scrape-auth.js";
import { secretText } from "./secret-text.js";
import { loadTlsMaterial, type TlsMaterial } from "./tls-material.js";

/** All that an entry needs to be used, its files read. */
export interface EntrySecrets {
  /** Headers of every request, by their names in small letters; with `authorization`, unless that takes a token. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly tls?: TlsMaterial;
  /** For the token server. */
  readonly clientSecret?: string;
  readonly tokenTls?: TlsMaterial;
}

/**
 * Reads every file that an entry names.
 *
 * @throws an Error that names the key and the file, and shows no secret.
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

/** RFC 7617 and RFC 6750; undefined where it takes a token that has yet to be asked for. */
async function authorizationHeader(settings: AuthorizationSettings): Promise<string | undefined> {
  if (settings.kind === "oauth2") return undefined;
  if (settings.kind === "authorization") {
    const { type, credentials } = settings;
    return credentials === undefined ? type : `${type} ${await headerText(credentials)}`;
  }
  const username = settings.username === undefined ? "" : await secretText(settings.username);
  if (username.includes(":")) throw new Error(`${settings.username?.key} must hold no colon`);
  const password = settings.password === undefined ? "" : await secretText(settings.password);
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

async function headerText(secret: Secret): Promise<string> {
  const text = await secretText(secret);
  if (!isHeaderValue(text)) throw new Error(`${secret.key} holds characters that no header can carry`);
  return text;
}
