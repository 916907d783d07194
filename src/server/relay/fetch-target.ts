import type { LookupAddress } from "node:dns";
import { isIPv6, type LookupFunction } from "node:net";
import { Client } from "undici";
import { DeadlineError } from "../../deadline.js";
import { connectionReason, maxHeaderBytes } from "../../fetch/connection-reason.js";
import { readAnswer, type Scraped } from "../../fetch/read-answer.js";
import { ScrapeError } from "../../fetch/scrape-error.js";
import { RelayError } from "./relay-error.js";

export interface AskOptions {
  /** Of the addresses of the URL's host those that may be dialled. */
  readonly addresses: readonly string[];
  /** All the headers that are sent, beside Host and Connection. */
  readonly headers: Readonly<Record<string, string>>;
  /** The most that is taken, inflated and on the wire. */
  readonly maxBytes: number;
  /** Is told of each piece of the body, and may throw. */
  readonly received: (bytes: number) => void;
  /** Seconds after which a connection that does not come about is given up. */
  readonly connectTimeout: number;
  readonly signal: AbortSignal;
}

/**
 * Asks a target once, over a connection of its own that nothing but the given addresses can get. Redirects are not
 * followed.
 *
 * @throws RelayError 502, or what `received` throws.
 */
export async function askTarget(url: URL, options: AskOptions): Promise<Scraped> {
  const { headers, maxBytes, received, signal } = options;
  const client = new Client(url.origin, {
    connect: { lookup: lookupOf(options.addresses), timeout: options.connectTimeout * 1000 },
    maxHeaderSize: maxHeaderBytes,
    // The whole request has one deadline of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const path = url.pathname + url.search;
    const { statusCode, body, ...answer } = await client.request({ path, method: "GET", headers, signal });
    // Whoever reads the body gets its errors; nobody else may be surprised by them.
    body.on("error", () => undefined);
    if (statusCode >= 300 && statusCode < 400)
      throw new RelayError(502, `${url.host} answered with status ${statusCode}; redirects are not followed`);
    if (statusCode !== 200) throw new RelayError(502, `${url.host} answered with status ${statusCode}`);
    return await readAnswer({ headers: answer.headers, body: counted(body, received) }, maxBytes);
  } catch (error) {
    if (error instanceof RelayError || error instanceof DeadlineError) throw error;
    const reason = error instanceof ScrapeError ? error.message : connectionReason(error);
    throw new RelayError(502, `${url.host}: ${reason}`, { cause: error });
  } finally {
    client.destroy().catch(() => undefined);
  }
}

async function* counted(body: AsyncIterable<Buffer>, received: (bytes: number) => void) {
  for await (const piece of body) {
    received(piece.length);
    yield piece;
  }
}

/** In the place of a lookup: whatever it is asked for, these are the addresses. */
function lookupOf(addresses: readonly string[]): LookupFunction {
  const found: LookupAddress[] = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_host, { all }, done) => {
    if (all) done(null, found);
    else done(null, found[0]!.address, found[0]!.family);
  };
}
