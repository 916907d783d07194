import type { SecureVersion } from "node:tls";

/** WEB_CONFIG_FILE, validated, with the contents of the files that it names. */
export interface WebConfig {
  /** Without it, plain HTTP. */
  readonly tls?: TlsConfig;
  /** Headers of every response. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bcrypt hashes by user name, for basic authentication. Empty: basic authentication is off. */
  readonly users: ReadonlyMap<string, string>;
  readonly rateLimit?: RateLimit;
}

/** A token bucket: `burst` requests at once, then one every `interval` seconds. */
export interface RateLimit {
  readonly interval: number;
  readonly burst: number;
}

/** Go's policies for client certificates; see ClientAuthType in https://pkg.go.dev/crypto/tls. */
export const clientAuthTypes = [
  "NoClientCert",
  "RequestClientCert",
  "RequireAnyClientCert",
  "VerifyClientCertIfGiven",
  "RequireAndVerifyClientCert",
] as const;
export type ClientAuthType = (typeof clientAuthTypes)[number];

/** TLS settings, with the names and values of Node.js. */
export interface TlsConfig {
  /** The certificate and its chain, in PEM. */
  readonly cert: string;
  /** Its private key, in PEM. */
  readonly key: string;
  readonly clientAuth: ClientAuthType;
  /** Certificate authorities of client certificates, in PEM; always set if client certificates are verified. */
  readonly clientCa?: string;
  /** A client certificate must contain one of these subject alternative names. */
  readonly clientAllowedSans?: readonly string[];
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  /** A list for OpenSSL; default: that of Node.js. */
  readonly ciphers?: string;
  /** A list for OpenSSL; default: that of Node.js. */
  readonly curves?: string;
  readonly preferServerCiphers: boolean;
}

/** Reads a text file of limited size. @throws an Error with the reason. */
export type ReadFile = (path: string) => Promise<string>;
