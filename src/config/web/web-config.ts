import type { SecureVersion } from "node:tls";

/** How far the port is open: what WEB_CONFIG_FILE says, read and checked, with the contents of its files. */
export interface WebConfig {
  /** Absent: plain HTTP. */
  readonly tls?: TlsConfig;
  /** Headers that every answer carries. */
  readonly headers: Readonly<Record<string, string>>;
  /** Who may come in with basic authentication: bcrypt hashes by user name. Empty: basic authentication is off. */
  readonly users: ReadonlyMap<string, string>;
  readonly rateLimit?: RateLimit;
}

/** Requests that are answered: `burst` at once, then one every `interval` seconds. */
export interface RateLimit {
  readonly interval: number;
  readonly burst: number;
}

/** Go's policies for client certificates, with Go's names; see ClientAuthType in https://pkg.go.dev/crypto/tls. */
export const clientAuthTypes = [
  "NoClientCert",
  "RequestClientCert",
  "RequireAnyClientCert",
  "VerifyClientCertIfGiven",
  "RequireAndVerifyClientCert",
] as const;
export type ClientAuthType = (typeof clientAuthTypes)[number];

/** TLS as it is to be spoken, in Node's words. */
export interface TlsConfig {
  /** The certificate and its chain, in PEM. */
  readonly cert: string;
  /** Its private key, in PEM. */
  readonly key: string;
  readonly clientAuth: ClientAuthType;
  /** Who may have signed client certificates, in PEM; there wherever these are verified. */
  readonly clientCa?: string;
  /** A client certificate must carry one of these subject alternative names. */
  readonly clientAllowedSans?: readonly string[];
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  /** A list for OpenSSL; absent: Node's own. */
  readonly ciphers?: string;
  /** A list for OpenSSL; absent: Node's own. */
  readonly curves?: string;
  readonly preferServerCiphers: boolean;
}

/** Reads a text file of limited size. @throws an Error with the reason. */
export type ReadFile = (path: string) => Promise<string>;
