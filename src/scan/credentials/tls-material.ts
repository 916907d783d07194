import { X509Certificate } from "node:crypto";
import { createSecureContext, DEFAULT_CIPHERS, type SecureVersion } from "node:tls";
import type { Secret, TlsSettings } from "../../config/scrape-auth.js";
import { needsLowestLevel } from "../../config/tls-versions.js";
import { secretText } from "./secret-text.js";

/** A `tls_config` with its files read, in the words of `tls.connect`. Two that are alike are alike as JSON. */
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

/**
 * Reads the files of a `tls_config` and tries what is in them.
 *
 * @throws an Error that names the key, and the file where there is one.
 */
export async function loadTlsMaterial(settings: TlsSettings): Promise<TlsMaterial> {
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
        `${placeOf(key)} must be a private key in PEM, without a passphrase, of ${placeOf(cert)}`,
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
    if (blocks.length === 0) throw new Error("none is there");
    for (const block of blocks) new X509Certificate(block);
  } catch {
    throw new Error(`${placeOf(secret)} must hold certificates in PEM`);
  }
  return pem;
}

function placeOf(secret: Secret): string {
  return "file" in secret ? `${secret.key}: ${secret.file}` : secret.key;
}
