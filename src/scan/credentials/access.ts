import { ScrapeError } from "../../fetch/scrape-error.js";
import { quoted } from "../../model/path-segment.js";
import type { Connections } from "../connections.js";

/** How one target is asked: over which connections, with which headers. */
export interface Access {
  /** Lends connections as the entry's `tls_config` and `proxy_url` say; without it those of all others do. */
  readonly lend?: Connections["lend"];
  /** Headers in addition to those of every scrape, by their names in small letters. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Whether a redirect that stays on the same host and port is followed. */
  readonly followRedirects: boolean;
  /**
   * Where the credentials are a token that may have ended: a new access after a 401, or undefined where another token
   * would not help.
   *
   * @throws ScrapeError where no other token can be had.
   */
  renew?(): Promise<Access | undefined>;
}

/** Finds out how targets are asked. */
export interface Credentials {
  /**
   * @param name the entry that a target asks for; undefined for one that asks for none and gets `default`.
   * @param url where it is asked.
   * @returns undefined where it is asked without credentials.
   * @throws ScrapeError where there is no such entry, or it cannot be used for this URL or at this moment.
   */
  access(name: string | undefined, url: string): Promise<Access | undefined>;
  /** Closes all connections. */
  close(): Promise<void>;
}

/** What a target is told that asks for an entry where there is none. */
export function unknownEntry(name: string): ScrapeError {
  return new ScrapeError(
    "credentials",
    `not asked: SCRAPE_AUTH_FILE has no entry ${quoted(name)}, which the target asks for by metrics.auth or __auth__`,
  );
}
