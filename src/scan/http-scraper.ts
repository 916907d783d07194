import { type Dispatcher, request } from "undici";
import { codeOf } from "../errors.js";
import { acceptHeader } from "../exposition/format.js";
import { connectionReason, maxHeaderBytes } from "../fetch/connection-reason.js";
import { headerOf, readAnswer, type Scraped } from "../fetch/read-answer.js";
import { ScrapeError } from "../fetch/scrape-error.js";
import { connectionOptions, createConnections } from "./connections.js";
import { type Access, type Credentials, unknownEntry } from "./credentials/access.js";

/** Fetches and checks one exposition over HTTP. */
export interface Scraper {
  /**
   * @param url where to GET it.
   * @param signal aborts the scrape.
   * @param auth the entry of SCRAPE_AUTH_FILE that the target asks for, if any.
   * @throws ScrapeError, always, when anything goes wrong, within the time-out.
   */
  scrape(url: string, signal: AbortSignal, auth?: string): Promise<Scraped>;
  /** Closes all connections, those of the credentials too. */
  close(): Promise<void>;
}

export interface HttpScraperOptions {
  /** Seconds for one scrape from the first byte to the last. */
  readonly timeout: number;
  /** Seconds that an idle connection is kept for the next scrape, where the target agrees. */
  readonly keepAlive: number;
  /** Inflated size of one exposition in bytes. */
  readonly maxBytes: number;
  readonly userAgent: string;
  /** What targets are asked with; without it one that asks for credentials is not asked at all. */
  readonly credentials?: Credentials;
}

const maxRedirects = 3;

/** A scraper with lasting connections. GET only; redirects are followed where they stay on the same host and port. */
export function createHttpScraper(options: HttpScraperOptions): Scraper {
  const { timeout, maxBytes, credentials } = options;
  const connections = createConnections(connectionOptions(options));
  /** How targets are asked that need no credentials. */
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
    // Whoever reads the body gets its errors; nobody else may be surprised by them.
    body.on("error", () => undefined);
    if (statusCode !== 200) {
      await body.dump({ limit: maxHeaderBytes, signal });
      const location = headerOf(response.headers, "location");
      if (statusCode >= 300 && statusCode < 400 && location !== undefined && access.followRedirects) {
        return await get(dispatcher, redirectTarget(url, location, redirects), access, signal, redirects + 1);
      }
      throw new ScrapeError("status", `answered with status ${statusCode}`, { status: statusCode });
    }
    const scraped = await readAnswer(response, maxBytes).catch((error) => {
      body.destroy();
      throw error;
    });
    if (scraped.samples === 0)
      throw new ScrapeError("no_samples", "answered with an exposition without any sample");
    return scraped;
  }

  const scrapeWith = (access: Access, url: string, signal: AbortSignal) =>
    (access.lend ?? connections.lend)(url, (dispatcher) =>
      get(dispatcher, url, access, signal).catch((error) => {
        // The target closed a kept connection just as it was used again: that says nothing of the target.
        if (signal.aborted || !isClosedConnection(error)) throw error;
        return get(dispatcher, url, access, signal);
      }),
    );

  /** How a target is asked. Files and token servers may hang: no longer than the signal lets them. */
  async function accessFor(auth: string | undefined, url: string, signal: AbortSignal): Promise<Access> {
    if (credentials === undefined) {
      if (auth !== undefined) throw unknownEntry(auth);
      return plain;
    }
    return (await unlessAborted(credentials.access(auth, url), signal)) ?? plain;
  }

  async function scrapeOnce(url: string, auth: string | undefined, signal: AbortSignal): Promise<Scraped> {
    const access = await accessFor(auth, url, signal);
    try {
      return await scrapeWith(access, url, signal);
    } catch (error) {
      if (access.renew === undefined || !(error instanceof ScrapeError) || error.status !== 401) throw error;
      const renewed = await unlessAborted(access.renew(), signal);
      if (renewed === undefined) throw error;
      return await scrapeWith(renewed, url, signal);
    }
  }

  return {
    async scrape(url, signal, auth) {
      // A timer that is cleared costs a fraction of AbortSignal.timeout, whose timers all run to their end.
      const ending = new AbortController();
      const end = () => ending.abort();
      const deadline = setTimeout(end, timeout * 1000);
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
      try {
        return await scrapeOnce(url, auth, ending.signal);
      } catch (error) {
        if (error instanceof ScrapeError) throw error;
        if (signal.aborted) throw new ScrapeError("aborted", "the scrape was called off", { cause: error });
        if (error instanceof NoCredentialsInTime)
          throw new ScrapeError(
            "credentials",
            `not asked: its credentials were not there within ${timeout} s`,
          );
        if (ending.signal.aborted)
          throw new ScrapeError("timeout", `no complete answer within ${timeout} s`, { cause: error });
        throw new ScrapeError("connection", connectionReason(error), { cause: error });
      } finally {
        clearTimeout(deadline);
        signal.removeEventListener("abort", end);
      }
    },
    async close() {
      await Promise.all([connections.close(), credentials?.close()]);
    },
  };
}

/** The wait for credentials was longer than the scrape may take. */
class NoCredentialsInTime extends Error {}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new NoCredentialsInTime());
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}

function redirectTarget(from: string, location: string, redirects: number): string {
  if (redirects >= maxRedirects)
    throw new ScrapeError("status", `redirected more than ${maxRedirects} times`);
  const target = URL.canParse(location, from) ? new URL(location, from) : undefined;
  if (target?.origin !== new URL(from).origin) {
    // Not the rest of it: what a target writes there, such as a login's parameters, may be made of its credentials.
    const place = target === undefined || target.origin === "null" ? "" : `: ${target.origin.slice(0, 200)}`;
    throw new ScrapeError("status", `redirected to another host${place}`);
  }
  return target.href;
}

function isClosedConnection(error: unknown): boolean {
  const code = codeOf(error);
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}
