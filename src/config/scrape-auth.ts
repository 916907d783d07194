import type { SecureVersion } from "node:tls";

/** A secret: its text, or the file that contains it. */
export type Secret = {
  /** Its key in the configuration, such as `basic_auth.password_file`, for messages, which never contain the secret. */
  readonly key: string;
} & ({ readonly text: string } | { readonly file: string });

/** `tls_config`: how to verify the server, and the client certificate. */
export interface TlsSettings {
  /** Certificate authorities of the server, in PEM; default: those of the system. */
  readonly ca?: Secret;
  /** Client certificate and key, in PEM; both or neither. */
  readonly cert?: Secret;
  readonly key?: Secret;
  /** The name that the server's certificate must contain; default: the host of the URL. */
  readonly serverName?: string;
  readonly insecureSkipVerify: boolean;
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
}

/** `proxy_url` and its related keys. */
export interface ProxySettings {
  /** An `http:` or `https:` URL; may contain user and password of the proxy, and is therefore a secret. */
  readonly url: string;
  /** Hosts that are requested without the proxy, as written: names, addresses or CIDRs, optionally with a port. */
  readonly noProxy: readonly string[];
  /** Headers of the CONNECT request. Secrets. */
  readonly connectHeaders: Readonly<Record<string, readonly string[]>>;
}

/** `oauth2`: a token from the client credentials grant (RFC 6749, 4.4). */
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

/** The value of the header Authorization. */
export type AuthorizationSettings =
  | { readonly kind: "basic"; readonly username?: Secret; readonly password?: Secret }
  | { readonly kind: "authorization"; readonly type: string; readonly credentials?: Secret }
  | OAuth2Settings;

/** One header of `http_headers`; its values are in the order values, secrets, files. */
export interface HeaderSettings {
  /** In lower case. */
  readonly name: string;
  readonly values: readonly Secret[];
}

/** How to scrape the targets of one entry. */
export interface AuthSettings {
  readonly authorization?: AuthorizationSettings;
  readonly tls?: TlsSettings;
  readonly headers: readonly HeaderSettings[];
  readonly proxy?: ProxySettings;
  readonly followRedirects: boolean;
}

/** The entries of SCRAPE_AUTH_FILE by name. */
export type ScrapeAuth = ReadonlyMap<string, AuthSettings>;
