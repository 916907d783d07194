import { type Dispatcher, request } from "undici";
import { codeOf } from "../errors.js";
import { acceptHeader } from "../exposition/format.js";
import { connectionReason, maxHeaderBytes } from "../fetch/connection-reason.js";
import { headerOf, readAnswer, type Scraped } from "../fetch/read-answer.js";
import { ScrapeError } from "../fetch/scrape-error.js";
import { createConnections } from "./connections.js";

/** Fetches and checks one exposition over HTTP. */
export interface Scraper {
  /**
   * @param url where to GET it.
   * @param signal aborts the scrape.
   * @throws ScrapeError, always, when anything goes wrong, within the time-out.
   */
  scrape(url: string, signal: AbortSignal): Promise<Scraped>;
  /** Closes all connections. */
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
}

const maxRedirects = 3;

/** A scraper with lasting connections. GET only; redirects are followed where they stay on the same host and port. */
export function createHttpScraper(options: HttpScraperOptions): Scraper {
  const { timeout, maxBytes } = options;
  const connections = createConnections({
    maxHeaderSize: maxHeaderBytes,
    keepAliveTimeout: options.keepAlive * 1000,
    keepAliveMaxTimeout: options.keepAlive * 1000,
    connect: { timeout: timeout * 1000 },
    // The whole scrape has one deadline of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const headers = {
    accept: acceptHeader,
    "accept-encoding": "gzip",
    "user-agent": options.userAgent,
    "x-prometheus-scrape-timeout-seconds": String(timeout),
  };

  async function get(
    dispatcher: Dispatcher,
    url: string,
    signal: AbortSignal,
    redirects = 0,
  ): Promise<Scraped> {
    const response = await request(url, { dispatcher, method: "GET", headers, signal });
    const { statusCode, body } = response;
    // Whoever reads the body gets its errors; nobody else may be surprised by them.
    body.on("error", () => undefined);
    if (statusCode !== 200) {
      await body.dump({ limit: maxHeaderBytes, signal });
      const location = headerOf(response.headers, "location");
      if (statusCode >= 300 && statusCode < 400 && location !== undefined) {
        return await get(dispatcher, redirectTarget(url, location, redirects), signal, redirects + 1);
      }
      throw new ScrapeError("status", `answered with status ${statusCode}`);
    }
    const scraped = await readAnswer(response, maxBytes).catch((error) => {
      body.destroy();
      throw error;
    });
    if (scraped.samples === 0)
      throw new ScrapeError("no_samples", "answered with an exposition without any sample");
    return scraped;
  }

  return {
    async scrape(url, signal) {
      // A timer that is cleared costs a fraction of AbortSignal.timeout, whose timers all run to their end.
      const ending = new AbortController();
      const end = () => ending.abort();
      const deadline = setTimeout(end, timeout * 1000);
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
      try {
        return await connections.lend(url, (dispatcher) =>
          get(dispatcher, url, ending.signal).catch((error) => {
            // The target closed a kept connection just as it was used again: that says nothing of the target.
            if (ending.signal.aborted || !isClosedConnection(error)) throw error;
            return get(dispatcher, url, ending.signal);
          }),
        );
      } catch (error) {
        if (error instanceof ScrapeError) throw error;
        if (signal.aborted) throw new ScrapeError("aborted", "the scrape was called off", { cause: error });
        if (ending.signal.aborted)
          throw new ScrapeError("timeout", `no complete answer within ${timeout} s`, { cause: error });
        throw new ScrapeError("connection", connectionReason(error), { cause: error });
      } finally {
        clearTimeout(deadline);
        signal.removeEventListener("abort", end);
      }
    },
    close: () => connections.close(),
  };
}

function redirectTarget(from: string, location: string, redirects: number): string {
  if (redirects >= maxRedirects)
    throw new ScrapeError("status", `redirected more than ${maxRedirects} times`);
  const target = URL.canParse(location, from) ? new URL(location, from) : undefined;
  if (target?.origin !== new URL(from).origin) {
    throw new ScrapeError("status", `redirected to another host: ${location.slice(0, 200)}`);
  }
  return target.href;
}

function isClosedConnection(error: unknown): boolean {
  const code = codeOf(error);
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}
