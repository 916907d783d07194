import type { AuthEntry, OAuth2Section } from "../../config/scrape-auth.js";
import { ScrapeError } from "../../fetch/scrape-error.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { quoted } from "../../model/path-segment.js";
import type { ConnectionOptions, Connections } from "../connections.js";
import { type EntrySecrets, loadEntrySecrets } from "./entry-secrets.js";
import { LastGood } from "./last-good.js";
import { createRoutes } from "./routes.js";
import { maxResponseBytes, requestToken } from "./token-request.js";
import { TokenSource } from "./token-source.js";

/** Connections and headers for the scrapes of one target. */
export interface Access {
  /** Lends connections with the `tls_config` and `proxy_url` of the entry; undefined if the default connections suffice. */
  readonly lend?: Connections["lend"] | undefined;
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

/** What all entries share. */
export interface EntryContext {
  /** The folder of SCRAPE_AUTH_FILE. */
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Timeout of a request to a token server in seconds. */
  readonly tokenTimeout: number;
  readonly connectionOptions: ConnectionOptions;
  /** Closes replaced connections once the scrapes that use them have ended. */
  retire(connections: Connections): void;
}

/** An entry of SCRAPE_AUTH_FILE in use, with its current secrets, connections and token. */
export class LiveEntry {
  readonly #secrets: LastGood<EntrySecrets>;
  readonly #token: TokenSource | undefined;
  /** Aborts a request to the token server. */
  readonly #ending = new AbortController();
  /** Undefined without TLS and proxy settings: the default connections suffice. */
  #routes: Connections | undefined;
  #tokenRoutes: Connections | undefined;

  /** @throws Error that names key and file if anything is unusable. */
  static async open(name: string, settings: AuthEntry, context: EntryContext): Promise<LiveEntry> {
    return new LiveEntry(name, settings, context, await loadEntrySecrets(settings, context.folder));
  }

  private constructor(
    readonly name: string,
    readonly settings: AuthEntry,
    private readonly context: EntryContext,
    first: EntrySecrets,
  ) {
    const { logger, clock } = context;
    this.#secrets = new LastGood(first, {
      clock,
      load: (previous) => this.#reload(previous),
      report: (problem) =>
        problem === undefined
          ? logger.info("files of a SCRAPE_AUTH_FILE entry recovered", { entry: name })
          : logger.warn("cannot use a file of a SCRAPE_AUTH_FILE entry, keeping the previous secrets", {
              entry: name,
              problem,
            }),
    });
    this.#connect(first);
    const { oauth2 } = settings;
    if (oauth2 !== undefined) {
      this.#token = new TokenSource({
        clock,
        request: () => this.#requestToken(oauth2),
        report: (problem) => this.#reportToken(oauth2, problem),
      });
    }
  }

  /** @throws ScrapeError if the entry is unusable for this URL, or there is no token at the moment. */
  async access(url: string): Promise<Access> {
    const secrets = await this.#secrets.current();
    if (this.#requiresTls && url.startsWith("http:")) {
      throw this.#error("with a ca, credentials are only sent over https, but the URL of the target is http");
    }
    return this.#token === undefined
      ? this.#accessWith(secrets.headers)
      : await this.#accessWithToken(this.#token, secrets);
  }

  /** Ends the use of the entry. Scrapes that use its connections can still finish. */
  retire(): void {
    this.#ending.abort();
    for (const routes of [this.#routes, this.#tokenRoutes]) if (routes) this.context.retire(routes);
  }

  /** Whether the entry has secrets and a CA that the recipient must prove itself with. */
  get #requiresTls(): boolean {
    const { basic_auth, authorization, oauth2, http_headers, tls_config: tls } = this.settings;
    const sends = basic_auth ?? authorization ?? oauth2 ?? Object.keys(http_headers)[0];
    return sends !== undefined && (tls?.ca ?? tls?.ca_file) !== undefined && !tls?.insecure_skip_verify;
  }

  #accessWith(headers: Access["headers"]): Access {
    return { headers, followRedirects: this.settings.follow_redirects, lend: this.#routes?.lend };
  }

  async #accessWithToken(token: TokenSource, secrets: EntrySecrets): Promise<Access> {
    const value = await token.get().catch((error: Error) => {
      throw this.#error(`cannot get a token: ${error.message}`);
    });
    return {
      ...this.#accessWith({ ...secrets.headers, authorization: `Bearer ${value}` }),
      renew: async () => (token.reject(value) ? await this.#accessWithToken(token, secrets) : undefined),
    };
  }

  #error(reason: string): ScrapeError {
    return new ScrapeError(
      "credentials",
      `not scraped: SCRAPE_AUTH_FILE entry ${quoted(this.name)}: ${reason}`,
    );
  }

  async #reload(previous: EntrySecrets): Promise<EntrySecrets> {
    const now = await loadEntrySecrets(this.settings, this.context.folder);
    if (equal(now, previous) || this.#ending.signal.aborted) return previous;
    this.context.logger.info("files of a SCRAPE_AUTH_FILE entry changed", { entry: this.name });
    this.#connect(now, previous);
    if (now.clientSecret !== previous.clientSecret) this.#token?.renewSoon();
    return now;
  }

  /** Creates the connections, unless their TLS files are unchanged. */
  #connect(now: EntrySecrets, previous?: EntrySecrets): void {
    const { connectionOptions, retire } = this.context;
    const { oauth2, proxy_url } = this.settings;
    if (previous === undefined || !equal(now.tls, previous.tls)) {
      if (this.#routes) retire(this.#routes);
      const needed = now.tls !== undefined || proxy_url !== undefined;
      this.#routes = needed ? createRoutes(connectionOptions, now.tls, this.settings) : undefined;
    }
    if (oauth2 !== undefined && (previous === undefined || !equal(now.tokenTls, previous.tokenTls))) {
      if (this.#tokenRoutes) retire(this.#tokenRoutes);
      const options = { ...connectionOptions, maxResponseSize: maxResponseBytes };
      this.#tokenRoutes = createRoutes(options, now.tokenTls, oauth2);
    }
  }

  async #requestToken(settings: OAuth2Section) {
    const { clientSecret = "" } = await this.#secrets.current();
    const { signal } = this.#ending;
    const timeout = this.context.tokenTimeout;
    return await this.#tokenRoutes!.lend(settings.token_url, (dispatcher) =>
      requestToken({ settings, clientSecret, dispatcher, timeout, signal }),
    );
  }

  #reportToken({ token_url }: OAuth2Section, problem: string | undefined): void {
    if (this.#ending.signal.aborted) return;
    const fields = { entry: this.name, server: new URL(token_url).host };
    const { logger } = this.context;
    if (problem === undefined) logger.info("token server recovered", fields);
    else
      logger.warn("cannot get a token from the token server, retrying with backoff", { ...fields, problem });
  }
}

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
