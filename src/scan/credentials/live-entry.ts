import type { Agent } from "undici";
import type { AuthSettings, OAuth2Settings } from "../../config/scrape-auth.js";
import { ScrapeError } from "../../fetch/scrape-error.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { quoted } from "../../model/path-segment.js";
import type { Connections } from "../connections.js";
import type { Access } from "./access.js";
import { type EntrySecrets, loadEntrySecrets } from "./entry-secrets.js";
import { LastGood } from "./last-good.js";
import { createRoutes } from "./routes.js";
import { maxResponseBytes, requestToken } from "./token-request.js";
import { TokenSource } from "./token-source.js";

/** What all entries share. */
export interface EntryContext {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Timeout of a request to a token server in seconds. */
  readonly tokenTimeout: number;
  /** Limits and timeouts of connections. */
  readonly connectionOptions: Agent.Options;
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
  static async open(name: string, settings: AuthSettings, context: EntryContext): Promise<LiveEntry> {
    return new LiveEntry(name, settings, context, await loadEntrySecrets(settings));
  }

  private constructor(
    readonly name: string,
    readonly settings: AuthSettings,
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
    this.#routes = this.#routesFor(first);
    const { authorization } = settings;
    if (authorization?.kind === "oauth2") {
      this.#tokenRoutes = this.#tokenRoutesFor(authorization, first);
      this.#token = new TokenSource({
        clock,
        request: () => this.#requestToken(authorization),
        report: (problem) => this.#reportToken(authorization, problem),
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
    for (const routes of [this.#routes, this.#tokenRoutes]) this.#retire(routes);
  }

  /** Whether the entry has secrets and a CA that the recipient must prove itself with. */
  get #requiresTls(): boolean {
    const { authorization, headers, tls } = this.settings;
    const sends = authorization !== undefined || headers.length > 0;
    return sends && tls?.ca !== undefined && !tls.insecureSkipVerify;
  }

  #accessWith(headers: Access["headers"]): Access {
    const routes = this.#routes;
    return {
      headers,
      followRedirects: this.settings.followRedirects,
      ...(routes && { lend: routes.lend }),
    };
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
    const now = await loadEntrySecrets(this.settings);
    if (equal(now, previous) || this.#ending.signal.aborted) return previous;
    this.context.logger.info("files of a SCRAPE_AUTH_FILE entry changed", {
      entry: this.name,
    });
    if (!equal(now.tls, previous.tls)) {
      this.#retire(this.#routes);
      this.#routes = this.#routesFor(now);
    }
    const { authorization } = this.settings;
    if (authorization?.kind === "oauth2" && !equal(now.tokenTls, previous.tokenTls)) {
      this.#retire(this.#tokenRoutes);
      this.#tokenRoutes = this.#tokenRoutesFor(authorization, now);
    }
    if (now.clientSecret !== previous.clientSecret) this.#token?.renewSoon();
    return now;
  }

  #routesFor({ tls }: EntrySecrets): Connections | undefined {
    const { proxy } = this.settings;
    if (tls === undefined && proxy === undefined) return undefined;
    return createRoutes(this.context.connectionOptions, { tls, proxy });
  }

  #tokenRoutesFor({ proxy }: OAuth2Settings, { tokenTls }: EntrySecrets): Connections {
    const options = { ...this.context.connectionOptions, maxResponseSize: maxResponseBytes };
    return createRoutes(options, { tls: tokenTls, proxy });
  }

  #retire(routes: Connections | undefined): void {
    if (routes !== undefined) this.context.retire(routes);
  }

  async #requestToken(settings: OAuth2Settings) {
    const { clientSecret = "" } = await this.#secrets.current();
    return await this.#tokenRoutes!.lend(settings.tokenUrl, (dispatcher) =>
      requestToken(settings, clientSecret, dispatcher, {
        timeout: this.context.tokenTimeout,
        signal: this.#ending.signal,
      }),
    );
  }

  #reportToken({ tokenUrl }: OAuth2Settings, problem: string | undefined): void {
    if (this.#ending.signal.aborted) return;
    const fields = { entry: this.name, server: new URL(tokenUrl).host };
    if (problem === undefined) this.context.logger.info("token server recovered", fields);
    else
      this.context.logger.warn("cannot get a token from the token server, retrying with backoff", {
        ...fields,
        problem,
      });
  }
}

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
