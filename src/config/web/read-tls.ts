import { createPrivateKey, X509Certificate } from "node:crypto";
import { dirname, resolve } from "node:path";
import { createSecureContext, type SecureContextOptions, type SecureVersion } from "node:tls";
import { codeOf, describeError } from "../../errors.js";
import { quoted } from "../../model/path-segment.js";
import { cipherList, tlsVersions } from "../tls-names.js";
import type { ClientAuthType, TlsSection } from "./schema.js";

/** TLS settings, as options of a server of Node.js. */
export interface TlsConfig
  extends Readonly<Pick<SecureContextOptions, "ciphers" | "ecdhCurve" | "honorCipherOrder">> {
  /** The certificate and its chain, in PEM. */
  readonly cert: string;
  /** Its private key, in PEM. */
  readonly key: string;
  readonly clientAuth: ClientAuthType;
  /** Certificate authorities of client certificates, in PEM; always set if client certificates are verified. */
  readonly ca?: string | undefined;
  /** A client certificate must contain one of these subject alternative names. */
  readonly clientAllowedSans?: readonly string[] | undefined;
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
}

/** What the readers of a web configuration share. */
export interface WebConfigFiles {
  /** The web configuration; file names are relative to its folder. */
  readonly path: string;
  /** Reads a text file of limited size. @throws an Error with the reason. */
  readonly readFile: (path: string) => Promise<string>;
  /** Receives one line per problem, which begins with the key. */
  readonly problems: string[];
}

const place = "tls_server_config";

/**
 * Reads and checks `tls_server_config` and the files that it names.
 *
 * @returns undefined for an empty section, which means plain HTTP, and if there are problems.
 */
export async function readTls(section: TlsSection, files: WebConfigFiles): Promise<TlsConfig | undefined> {
  if (Object.values(section).every((value) => value === undefined)) return undefined;
  const { problems } = files;
  const cert = await readPem(section, "cert", files);
  const key = await readPem(section, "key", files);
  const ca = await readPem(section, "client_ca", files);
  for (const [name, value] of Object.entries({ cert, key })) {
    if (value === undefined && problems.length === 0) problems.push(`${place}: set ${name} or ${name}_file`);
  }
  problems.push(...contradictions(section));
  if (problems.length > 0 || cert === undefined || key === undefined) return undefined;

  const minVersion = tlsVersions[section.min_version ?? "TLS12"];
  const tls: TlsConfig = {
    cert,
    key,
    clientAuth: section.client_auth_type ?? "NoClientCert",
    ca,
    clientAllowedSans: section.client_allowed_sans,
    minVersion,
    maxVersion: tlsVersions[section.max_version ?? "TLS13"],
    ciphers: cipherList(section.cipher_suites ?? [], minVersion),
    ecdhCurve: section.curve_preferences?.join(":"),
    honorCipherOrder: section.prefer_server_cipher_suites ?? true,
  };
  problems.push(...faultsOf(tls));
  return tls;
}

function contradictions(section: TlsSection): string[] {
  const { client_auth_type: clientAuth = "NoClientCert", min_version: min = "TLS12" } = section;
  const { max_version: max = "TLS13" } = section;
  const hasCa = section.client_ca !== undefined || section.client_ca_file !== undefined;
  const problems: string[] = [];
  if (min > max) {
    problems.push(`${place}.min_version=${min} must not be above max_version=${max}`);
  }
  if (hasCa && clientAuth === "NoClientCert") {
    problems.push(
      `${place}.client_auth_type must be RequireAndVerifyClientCert, or another type that uses certificates, with client_ca or client_ca_file`,
    );
  }
  // Go would trust all authorities of the machine, so that anyone who buys a certificate would be accepted.
  if (!hasCa && (clientAuth === "RequireAndVerifyClientCert" || clientAuth === "VerifyClientCertIfGiven")) {
    problems.push(`${place}: set client_ca or client_ca_file, which client_auth_type ${clientAuth} requires`);
  }
  if (section.client_allowed_sans !== undefined && !clientAuth.startsWith("Require")) {
    problems.push(
      `${place}.client_allowed_sans requires client_auth_type RequireAnyClientCert or RequireAndVerifyClientCert, not ${clientAuth}`,
    );
  }
  return problems;
}

/** The PEM text from the section or from a file, checked; undefined if neither is set. */
async function readPem(
  section: TlsSection,
  name: "cert" | "key" | "client_ca",
  { path, readFile, problems }: WebConfigFiles,
): Promise<string | undefined> {
  const fileName = section[`${name}_file`];
  if (fileName !== undefined && section[name] !== undefined) {
    problems.push(`${place}: ${name} and ${name}_file are both set: set only one of them`);
    return undefined;
  }
  const file = fileName === undefined ? undefined : resolve(dirname(path), fileName);
  const what = name === "key" ? "a private key without a passphrase" : "one or more certificates";
  try {
    const text = file === undefined ? section[name] : await readFile(file);
    if (text !== undefined) checkPem(name, text);
    return text;
  } catch (error) {
    // A path has a single line. A key in place of the path has several.
    const shown = file === undefined || /[\r\n]/.test(file) ? "" : `=${quoted(file, 300)}`;
    const where = `${place}.${name}${file === undefined ? "" : "_file"}${shown}`;
    const kind = file === undefined ? "" : "the path of a readable file with ";
    problems.push(
      `${where} is invalid: must be ${kind}${what} in PEM (${codeOf(error) ?? describeError(error)})`,
    );
    return undefined;
  }
}

function checkPem(name: "cert" | "key" | "client_ca", text: string): void {
  if (name === "key") {
    createPrivateKey(text);
    return;
  }
  const certificates = text.match(
    /-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END [A-Z0-9 ]*-----/g,
  );
  if (certificates === null) throw new Error("no certificate found");
  for (const certificate of certificates) new X509Certificate(certificate);
}

/** What OpenSSL rejects. */
function faultsOf(tls: TlsConfig): string[] {
  if (!new X509Certificate(tls.cert).checkPrivateKey(createPrivateKey(tls.key))) {
    return [`${place}: the key does not match the certificate`];
  }
  try {
    createSecureContext(tls);
    return [];
  } catch (error) {
    return [`${place} is invalid: ${describeError(error)}`];
  }
}
