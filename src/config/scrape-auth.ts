import type { SecureVersion } from "node:tls";

/** A secret: as it is written in the file, or the file that holds it. */
export type Secret = {
  /** Where it stands, such as `basic_auth.password_file`: for messages, which never show what it is. */
  readonly key: string;
} & ({ readonly text: string } | { readonly file: string });

/** `tls_config`: how the other side proves itself, and how the proxy does. */
export interface TlsSettings {
  /** Certificates in PEM that the other side's must lead to; without it the system's. */
  readonly ca?: Secret;
  /** The proxy's own certificate and its key, in PEM; both or none. */
  readonly cert?: Secret;
  readonly key?: Secret;
  /** The name that the other side's certificate must bear, instead of its host. */
  readonly serverName?: string;
  readonly insecureSkipVerify: boolean;
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
}

/** `proxy_url` and what belongs to it. */
export interface ProxySettings {
  /** An `http:` or `https:` URL; its user and password, if any, are for the proxy. A secret. */
  readonly url: string;
  /** Hosts that are asked directly, as written: names, addresses, CIDRs, each perhaps with a port. */
  readonly noProxy: readonly string[];
  /** Headers of the CONNECT request only. Secrets. */
  readonly connectHeaders: Readonly<Record<string, readonly string[]>>;
}

/** `oauth2`: a token by the grant of client credentials (RFC 6749, 4.4). */
export interface OAuth2Settings {
  readonly kind: "oauth2";
  readonly clientId: string;
  readonly clientSecret?: Secret;
  readonly scopes: readonly string[];
  readonly tokenUrl: string;
  readonly endpointParams: Readonly<Record<string, string>>;
  readonly tls?: TlsSettings;
  readonly proxy?: ProxySettings;
}

/** What goes into the header Authorization. */
export type AuthorizationSettings =
  | { readonly kind: "basic"; readonly username?: Secret; readonly password?: Secret }
  | { readonly kind: "authorization"; readonly type: string; readonly credentials?: Secret }
  | OAuth2Settings;

/** `http_headers`: one header, whose values come in the order values, secrets, files. */
export interface HeaderSettings {
  /** In small letters. */
  readonly name: string;
  readonly values: readonly Secret[];
}

/** How the targets of one entry are asked. */
export interface AuthSettings {
  readonly authorization?: AuthorizationSettings;
  readonly tls?: TlsSettings;
  readonly headers: readonly HeaderSettings[];
  readonly proxy?: ProxySettings;
  readonly followRedirects: boolean;
}

/** Entries of SCRAPE_AUTH_FILE by their names. */
export type ScrapeAuth = ReadonlyMap<string, AuthSettings>;
