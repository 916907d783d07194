import { createPrivateKey, X509Certificate } from "node:crypto";
import { dirname, resolve } from "node:path";
import { createSecureContext } from "node:tls";
import { ConfigError, codeOf, describeError } from "../../errors.js";
import { quoted } from "../../model/path-segment.js";
import { isNewer, tlsVersions } from "../tls-versions.js";
import { cipherList, curves } from "./go-tls-names.js";
import type { TlsSection } from "./schema.js";
import type { ClientAuthType, ReadFile, TlsConfig } from "./web-config.js";

const place = "tls_server_config";

/**
 * Reads and checks `tls_server_config` and the files that it names.
 *
 * @param path the web configuration; file names are relative to its folder.
 * @returns undefined for an empty section: plain HTTP.
 * @throws ConfigError with one line per problem, which begins with the key.
 */
export async function readTls(
  section: TlsSection,
  path: string,
  readFile: ReadFile,
): Promise<TlsConfig | undefined> {
  if (Object.values(section).every((value) => value === undefined)) return undefined;
  const problems: string[] = [];
  const pem = (name: "cert" | "key" | "client_ca") => readPem(section, name, { path, readFile, problems });
  const [cert, key, clientCa] = [await pem("cert"), await pem("key"), await pem("client_ca")];
  for (const [name, value] of [
    ["cert", cert],
    ["key", key],
  ] as const) {
    if (value === undefined && problems.length === 0) problems.push(`${place}: set ${name} or ${name}_file`);
  }
  problems.push(...contradictions(section));
  if (problems.length > 0 || cert === undefined || key === undefined) throw new ConfigError(problems);

  const minVersion = tlsVersions[section.min_version ?? "TLS12"];
  const ciphers = cipherList(section.cipher_suites ?? [], minVersion);
  const groups = section.curve_preferences?.map((name) => curves.get(name) ?? name).join(":");
  const tls: TlsConfig = {
    cert,
    key,
    clientAuth: clientAuthOf(section),
    ...(clientCa === undefined ? {} : { clientCa }),
    ...(section.client_allowed_sans === undefined ? {} : { clientAllowedSans: section.client_allowed_sans }),
    minVersion,
    maxVersion: tlsVersions[section.max_version ?? "TLS13"],
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(groups === undefined ? {} : { curves: groups }),
    preferServerCiphers: section.prefer_server_cipher_suites ?? true,
  };
  tryOut(tls);
  return tls;
}

/** The exporter-toolkit still accepts the former name RequireClientCert. */
function clientAuthOf({ client_auth_type: type = "NoClientCert" }: TlsSection): ClientAuthType {
  return type === "RequireClientCert" ? "RequireAnyClientCert" : type;
}

function contradictions(section: TlsSection): string[] {
  const clientAuth = clientAuthOf(section);
  const hasCa = section.client_ca !== undefined || section.client_ca_file !== undefined;
  const { min_version: min = "TLS12", max_version: max = "TLS13" } = section;
  const problems: string[] = [];
  if (isNewer(tlsVersions[min], tlsVersions[max])) {
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

interface PemSource {
  readonly path: string;
  readonly readFile: ReadFile;
  readonly problems: string[];
}

/** The PEM text from the section or from a file, checked; undefined if neither is set. */
async function readPem(
  section: TlsSection,
  name: "cert" | "key" | "client_ca",
  { path, readFile, problems }: PemSource,
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

/** Checks the settings with OpenSSL. */
function tryOut({ cert, key, clientCa, ciphers, curves: groups, minVersion, maxVersion }: TlsConfig): void {
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    throw new ConfigError([`${place}: the key does not match the certificate`]);
  }
  try {
    createSecureContext({ cert, key, ca: clientCa, ciphers, ecdhCurve: groups, minVersion, maxVersion });
  } catch (error) {
    throw new ConfigError([`${place} is invalid: ${describeError(error)}`]);
  }
}
