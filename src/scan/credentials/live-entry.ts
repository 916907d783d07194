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
import { requestToken } from "./token-request.js";
import { TokenSource } from "./token-source.js";

/** What all entries share. */
export interface EntrySurroundings {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Seconds for a request to a token server. */
  readonly tokenTimeout: number;
  /** Limits and times of connections. */
  readonly connectionOptions: Agent.Options;
  /** Takes connections that are not lent any more, and closes them once those under way are done. */
  retire(connections: Connections): void;
}

/** An entry in use: its secrets as its files hold them now, its connections, its token. */
export class LiveEntry {
  readonly #secrets: LastGood<EntrySecrets>;
  readonly #token: TokenSource | undefined;
  /** Ends a request to the token server. */
  readonly #ending = new AbortController();
  /** None where it says nothing about TLS or a proxy: then those of all others do. */
  #routes: Connections | undefined;
  #tokenRoutes: Connections | undefined;

  /** @throws an Error that names the key, and the file where there is one, where anything cannot be used. */
  static async open(
    name: string,
    settings: AuthSettings,
    surroundings: EntrySurroundings,
  ): Promise<LiveEntry> {
    return new LiveEntry(name, settings, surroundings, await loadEntrySecrets(settings));
  }

  private constructor(
    readonly name: string,
    readonly settings: AuthSettings,
    private readonly surroundings: EntrySurroundings,
    first: EntrySecrets,
  ) {
    const { logger, clock } = surroundings;
    this.#secrets = new LastGood(first, {
      clock,
      load: (previous) => this.#reload(previous),
      tell: (problem) =>
        problem === undefined
          ? logger.info("the files of an entry of SCRAPE_AUTH_FILE can be used again", { entry: name })
          : logger.warn(
              "a file of an entry of SCRAPE_AUTH_FILE cannot be used: what it held before goes on",
              {
                entry: name,
                problem,
              },
            ),
    });
    this.#routes = this.#routesFor(first);
    const { authorization } = settings;
    if (authorization?.kind === "oauth2") {
      this.#tokenRoutes = this.#tokenRoutesFor(authorization, first);
      this.#token = new TokenSource({
        clock,
        request: () => this.#requestToken(authorization),
        tell: (problem) => this.#tellToken(authorization, problem),
      });
    }
  }

  /** @throws ScrapeError where it cannot be used for this URL, or has no token at the moment. */
  async access(url: string): Promise<Access> {
    const secrets = await this.#secrets.current();
    if (this.#guardsSecrets && url.startsWith("http:")) {
      throw this.#refusal(
        "it has a ca, so its credentials go over https only, and this target is asked over http",
      );
    }
    return this.#token === undefined
      ? this.#accessWith(secrets.headers)
      : await this.#accessWithToken(this.#token, secrets);
  }

  /** Its connections go when those that use them are done. */
  retire(): void {
    this.#ending.abort();
    for (const routes of [this.#routes, this.#tokenRoutes]) this.#retire(routes);
  }

  /** Whether it has secrets to send, and says how to know whom they may be sent to. */
  get #guardsSecrets(): boolean {
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
      throw this.#refusal(`its token server gives no token: ${error.message}`);
    });
    return {
      ...this.#accessWith({ ...secrets.headers, authorization: `Bearer ${value}` }),
      renew: async () => (token.refused(value) ? await this.#accessWithToken(token, secrets) : undefined),
    };
  }

  #refusal(why: string): ScrapeError {
    return new ScrapeError(
      "credentials",
      `not asked: the entry ${quoted(this.name)} of SCRAPE_AUTH_FILE: ${why}`,
    );
  }

  async #reload(previous: EntrySecrets): Promise<EntrySecrets> {
    const now = await loadEntrySecrets(this.settings);
    if (alike(now, previous) || this.#ending.signal.aborted) return previous;
    this.surroundings.logger.info("the files of an entry of SCRAPE_AUTH_FILE have changed", {
      entry: this.name,
    });
    if (!alike(now.tls, previous.tls)) {
      this.#retire(this.#routes);
      this.#routes = this.#routesFor(now);
    }
    const { authorization } = this.settings;
    if (authorization?.kind === "oauth2" && !alike(now.tokenTls, previous.tokenTls)) {
      this.#retire(this.#tokenRoutes);
      this.#tokenRoutes = this.#tokenRoutesFor(authorization, now);
    }
    if (now.clientSecret !== previous.clientSecret) this.#token?.renewSoon();
    return now;
  }

  #routesFor({ tls }: EntrySecrets): Connections | undefined {
    const { proxy } = this.settings;
    if (tls === undefined && proxy === undefined) return undefined;
    return createRoutes(this.surroundings.connectionOptions, { tls, proxy });
  }

  #tokenRoutesFor({ proxy }: OAuth2Settings, { tokenTls }: EntrySecrets): Connections {
    return createRoutes(this.surroundings.connectionOptions, { tls: tokenTls, proxy });
  }

  #retire(routes: Connections | undefined): void {
    if (routes !== undefined) this.surroundings.retire(routes);
  }

  async #requestToken(settings: OAuth2Settings) {
    const { clientSecret = "" } = await this.#secrets.current();
    return await this.#tokenRoutes!.lend(settings.tokenUrl, (dispatcher) =>
      requestToken(settings, clientSecret, dispatcher, {
        timeout: this.surroundings.tokenTimeout,
        signal: this.#ending.signal,
      }),
    );
  }

  #tellToken({ tokenUrl }: OAuth2Settings, problem: string | undefined): void {
    if (this.#ending.signal.aborted) return;
    const fields = { entry: this.name, server: new URL(tokenUrl).host };
    if (problem === undefined) this.surroundings.logger.info("a token server gives tokens again", fields);
    else
      this.surroundings.logger.warn("a token server gives no token: it is asked again, less and less often", {
        ...fields,
        problem,
      });
  }
}

function alike(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
