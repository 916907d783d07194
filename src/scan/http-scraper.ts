import { type Dispatcher, request } from "undici";
import { DeadlineError, withDeadline } from "../deadline.js";
import { codeOf } from "../errors.js";
import { acceptHeader } from "../exposition/format.js";
import { headerOf, readResponse, type Scraped } from "../fetch/read-response.js";
import { connectionReason, maxHeaderBytes, ScrapeError } from "../fetch/scrape-error.js";
import type { Scheduler } from "../scheduler.js";
import { connectionOptions, createConnections, type ScrapeTimes } from "./connections.js";
import type { Access } from "./credentials/live-entry.js";
import { type Credentials, unknownEntry } from "./credentials/scrape-credentials.js";

/** Fetches and checks one exposition over HTTP. */
export interface Scraper {
  /**
   * @param url the URL to GET.
   * @param signal aborts the scrape.
   * @param auth the entry of SCRAPE_AUTH_FILE for the target, if any.
   * @throws ScrapeError for every failure, within the timeout.
   */
  scrape(url: string, signal: AbortSignal, auth?: string): Promise<Scraped>;
  /** Closes all connections, including those of the credentials. */
  close(): Promise<void>;
}

export interface HttpScraperOptions extends ScrapeTimes {
  /** The largest exposition in bytes, after decompression. */
  readonly maxBytes: number;
  readonly userAgent: string;
  /** Shares the CPU between checking responses and all other work. */
  readonly scheduler: Scheduler;
  /** Without credentials, targets that name an entry of SCRAPE_AUTH_FILE are not scraped. */
  readonly credentials?: Credentials;
}

const maxRedirects = 3;

/** Creates a scraper with keep-alive connections. It follows redirects only to the same host and port. */
export function createHttpScraper(options: HttpScraperOptions): Scraper {
  const { timeout, maxBytes, scheduler, credentials } = options;
  const connections = createConnections(connectionOptions(options));
  /** Access to targets without credentials. */
  const plain: Access = { headers: {}, followRedirects: true };
  const ownHeaders = {
    accept: acceptHeader,
    "accept-encoding": "gzip",
    "user-agent": options.userAgent,
    "x-prometheus-scrape-timeout-seconds": String(timeout),
  };

  async function get(
    dispatcher: Dispatcher,
    url: string,
    access: Access,
    signal: AbortSignal,
    redirects = 0,
  ): Promise<Scraped> {
    const headers = access === plain ? ownHeaders : { ...ownHeaders, ...access.headers };
    const response = await request(url, { dispatcher, method: "GET", headers, signal });
    const { statusCode, body } = response;
    // The reader of the body gets its errors, too; without a listener they would end the process.
    body.on("error", () => undefined);
    if (statusCode !== 200) {
      await body.dump({ limit: maxHeaderBytes, signal });
      const location = headerOf(response.headers, "location");
      if (statusCode >= 300 && statusCode < 400 && location !== undefined && access.followRedirects) {
        return await get(dispatcher, redirectTarget(url, location, redirects), access, signal, redirects + 1);
      }
      throw new ScrapeError("status", `HTTP status ${statusCode}`, { status: statusCode });
    }
    return await readResponse(response, maxBytes, scheduler).catch((error) => {
      body.destroy();
      throw error;
    });
  }

  const scrapeWith = (access: Access, url: string, signal: AbortSignal) =>
    (access.lend ?? connections.lend)(url, (dispatcher) =>
      get(dispatcher, url, access, signal).catch((error) => {
        // The target closed an idle connection just before it was used again.
        if (signal.aborted || !isClosedConnection(error)) throw error;
        return get(dispatcher, url, access, signal);
      }),
    );

  /** The access for a target. */
  async function accessFor(auth: string | undefined, url: string): Promise<Access> {
    if (credentials === undefined && auth !== undefined) throw unknownEntry(auth);
    return (await credentials?.access(auth, url)) ?? plain;
  }

  return {
    async scrape(url, signal, auth) {
      /** Whether the scrape waits for credentials: a file or a token server may hang. */
      let waiting = true;
      const scrapeOnce = async (ending: AbortSignal): Promise<Scraped> => {
        const access = await accessFor(auth, url);
        waiting = false;
        try {
          return await scrapeWith(access, url, ending);
        } catch (error) {
          if (access.renew === undefined || !(error instanceof ScrapeError) || error.status !== 401)
            throw error;
          waiting = true;
          const renewed = await access.renew();
          waiting = false;
          if (renewed === undefined) throw error;
          return await scrapeWith(renewed, url, ending);
        }
      };
      try {
        return await withDeadline(timeout * 1000, signal, scrapeOnce);
      } catch (error) {
        if (error instanceof ScrapeError) throw error;
        if (signal.aborted) throw new ScrapeError("aborted", "scrape aborted", { cause: error });
        if (!(error instanceof DeadlineError))
          throw new ScrapeError("connection", connectionReason(error), { cause: error });
        if (waiting) throw new ScrapeError("credentials", `not scraped: no credentials within ${timeout} s`);
        throw new ScrapeError("timeout", `no complete response within ${timeout} s`, { cause: error });
      }
    },
    async close() {
      await Promise.all([connections.close(), credentials?.close()]);
    },
  };
}

function redirectTarget(from: string, location: string, redirects: number): string {
  if (redirects >= maxRedirects)
    throw new ScrapeError("status", `redirected more than ${maxRedirects} times`);
  const target = URL.canParse(location, from) ? new URL(location, from) : undefined;
  if (target?.origin !== new URL(from).origin) {
    // Only the origin: the path and query, such as parameters of a login page, may contain credentials.
    const where = target === undefined || target.origin === "null" ? "" : `: ${target.origin.slice(0, 200)}`;
    throw new ScrapeError("status", `redirected to another host${where}`);
  }
  return target.href;
}

function isClosedConnection(error: unknown): boolean {
  const code = codeOf(error);
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}
