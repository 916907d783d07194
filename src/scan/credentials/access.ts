import { ScrapeError } from "../../fetch/scrape-error.js";
import { quoted } from "../../model/path-segment.js";
import type { Connections } from "../connections.js";

/** Connections and headers for the scrapes of one target. */
export interface Access {
  /** Lends connections with the `tls_config` and `proxy_url` of the entry; undefined if the default connections suffice. */
  readonly lend?: Connections["lend"];
  /** Additional request headers, by lower-case name. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Whether redirects to the same host and port are followed. */
  readonly followRedirects: boolean;
  /**
   * Gets a new token after status 401; only present with a token that may have expired.
   *
   * @returns undefined if another token would not help.
   * @throws ScrapeError if there is no other token.
   */
  renew?(): Promise<Access | undefined>;
}

/** Looks up the credentials of targets. */
export interface Credentials {
  /**
   * @param name the entry that the target names; undefined for the entry `default`, if it exists.
   * @param url the URL to scrape.
   * @returns undefined if the target is scraped without credentials.
   * @throws ScrapeError if there is no such entry, or it is unusable for this URL or at the moment.
   */
  access(name: string | undefined, url: string): Promise<Access | undefined>;
  /** Closes all connections. */
  close(): Promise<void>;
}

/** The error for a target that names an entry which does not exist. */
export function unknownEntry(name: string): ScrapeError {
  return new ScrapeError(
    "credentials",
    `not scraped: SCRAPE_AUTH_FILE has no entry ${quoted(name)}, which metrics.auth or __auth__ of the target names`,
  );
}
