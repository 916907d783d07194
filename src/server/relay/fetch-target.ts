import type { LookupAddress } from "node:dns";
import { isIPv6, type LookupFunction } from "node:net";
import { Client } from "undici";
import { DeadlineError } from "../../deadline.js";
import { readResponse, type Scraped } from "../../fetch/read-response.js";
import { connectionReason, maxHeaderBytes, ScrapeError } from "../../fetch/scrape-error.js";
import type { Scheduler } from "../../scheduler.js";
import { RelayError } from "./relay-error.js";

export interface FetchOptions {
  /** The addresses of the URL's host that may be dialled; at least one. */
  readonly addresses: readonly string[];
  /** All request headers except Host and Connection. */
  readonly headers: Readonly<Record<string, string>>;
  /** Maximum size of the response in bytes, inflated and on the wire. */
  readonly maxBytes: number;
  /** Called with the size of each chunk of the body. May throw. */
  readonly onReceived: (bytes: number) => void;
  /** Timeout of the connection attempt in seconds. */
  readonly connectTimeout: number;
  readonly signal: AbortSignal;
  readonly scheduler: Scheduler;
}

/**
 * Fetches a target once, over a connection of its own that goes to one of the given addresses. Redirects are not
 * followed.
 *
 * @throws RelayError 502, or what `onReceived` throws.
 */
export async function fetchTarget(url: URL, options: FetchOptions): Promise<Scraped> {
  const { headers, maxBytes, onReceived, signal, scheduler } = options;
  const client = new Client(url.origin, {
    connect: { lookup: lookupOf(options.addresses), timeout: options.connectTimeout * 1000 },
    maxHeaderSize: maxHeaderBytes,
    // `signal` limits the whole request.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const path = url.pathname + url.search;
    const { statusCode, body, ...response } = await client.request({ path, method: "GET", headers, signal });
    // The reader gets the body's errors; without a listener they would end the process.
    body.on("error", () => undefined);
    if (statusCode !== 200) {
      const hint = statusCode >= 300 && statusCode < 400 ? "; redirects are not followed" : "";
      throw new RelayError(502, `${url.host} responded with status ${statusCode}${hint}`);
    }
    return await readResponse(
      { headers: response.headers, body: counted(body, onReceived) },
      maxBytes,
      scheduler,
    );
  } catch (error) {
    if (error instanceof RelayError || error instanceof DeadlineError) throw error;
    const reason = error instanceof ScrapeError ? error.message : connectionReason(error);
    throw new RelayError(502, `${url.host}: ${reason}`, { cause: error });
  } finally {
    client.destroy().catch(() => undefined);
  }
}

async function* counted(body: AsyncIterable<Buffer>, onReceived: (bytes: number) => void) {
  for await (const chunk of body) {
    onReceived(chunk.length);
    yield chunk;
  }
}

/** Replaces DNS: returns these addresses for every host. */
function lookupOf(addresses: readonly string[]): LookupFunction {
  const found: LookupAddress[] = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_host, { all }, done) => {
    if (all) done(null, found);
    else done(null, found[0]!.address, found[0]!.family);
  };
}
