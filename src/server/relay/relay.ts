import { DeadlineError, withDeadline } from "../../deadline.js";
import { acceptHeader } from "../../exposition/format.js";
import type { Scraped } from "../../fetch/read-response.js";
import { connectionReason } from "../../fetch/scrape-error.js";
import { MemoryBudget } from "../../memory-budget.js";
import type { Scheduler } from "../../scheduler.js";
import { Admission, type AdmissionOptions } from "./admission.js";
import { fetchTarget } from "./fetch-target.js";
import { RelayError } from "./relay-error.js";
import { readRelayTarget } from "./relay-target.js";

export interface RelayOptions extends AdmissionOptions {
  /** Maximum size of one response in bytes, inflated and on the wire. */
  readonly maxBytes: number;
  /** Timeout in seconds for clients that send none. */
  readonly timeout: number;
  /** Seconds a client may take to read a response; 30 by default. */
  readonly sendTimeout?: number;
  /** Such as `app-metrics-proxy/1.2.3`. */
  readonly userAgent: string;
  /** Shares the CPU between checking responses and all other work. */
  readonly scheduler: Scheduler;
}

/** What a client sends to the relay. */
export interface RelayRequest {
  /** All values of the parameter `target`. */
  readonly targets: readonly string[];
  readonly accept: string | undefined;
  /** X-Prometheus-Scrape-Timeout-Seconds. */
  readonly timeout: string | undefined;
  readonly userAgent: string | undefined;
  /** Aborts when the response has been sent or the client disconnects. Until then the request counts. */
  readonly signal: AbortSignal;
}

/** Concurrent requests, including those whose response is being sent. */
const maxRequests = 64;
/** How many responses of the maximum size fit into memory at a time. */
const maxLargestResponses = 2;
const userAgentSuffix = " (relay)";

/** By how many seconds the relay's timeout is shorter than the client's. */
const timeoutMargin = 0.5;
/** The longest timeout in seconds that a client can request. */
const maxTimeout = 60;
const maxAcceptLength = 1024;

/**
 * Fetches targets that clients name, within RELAY_ALLOW, and returns complete, valid expositions. Of the client's
 * request a target sees only the accepted formats and the timeout.
 */
export class Relay {
  /** Seconds a client may take to read a response. */
  readonly sendTimeout: number;
  readonly #admission: Admission;
  readonly #memory: MemoryBudget;
  #requests = 0;

  constructor(private readonly options: RelayOptions) {
    this.sendTimeout = options.sendTimeout ?? 30;
    this.#admission = new Admission(options);
    this.#memory = new MemoryBudget(maxLargestResponses * options.maxBytes);
  }

  /** @throws RelayError 503 where too many requests or bytes are being relayed. */
  async fetch(request: RelayRequest): Promise<Scraped> {
    const { signal } = request;
    if (this.#requests >= maxRequests) {
      throw new RelayError(503, `too many concurrent requests (limit ${maxRequests}); try again`);
    }
    this.#requests++;
    let received = 0;
    const release = () => {
      this.#requests--;
      this.#memory.give(received);
    };
    signal.addEventListener("abort", release, { once: true });
    return await this.#fetch(request, (bytes) => {
      if (signal.aborted) return;
      if (!this.#memory.take(bytes)) {
        throw new RelayError(503, "too many bytes are being relayed; try again");
      }
      received += bytes;
    });
  }

  async #fetch(request: RelayRequest, onReceived: (bytes: number) => void): Promise<Scraped> {
    // A target that is this relay, or a relay that leads back to it, would cause an endless loop.
    if (request.userAgent?.startsWith("app-metrics-proxy/") && request.userAgent.endsWith(userAgentSuffix))
      throw new RelayError(403, "a relay cannot be requested through another relay");
    const target = readRelayTarget(request.targets);
    const timeout = timeoutOf(request.timeout, this.options.timeout);
    const headers = {
      accept: acceptOf(request.accept),
      "accept-encoding": "gzip",
      "user-agent": `${this.options.userAgent}${userAgentSuffix}`,
      "x-prometheus-scrape-timeout-seconds": String(timeout),
    };
    const { maxBytes, scheduler } = this.options;
    try {
      return await withDeadline(timeout * 1000, request.signal, async (signal) => {
        const addresses = await this.#admission.admit(target, signal).catch((cause) => {
          if (cause instanceof RelayError || signal.aborted) throw cause;
          throw new RelayError(502, `${target.host}: ${connectionReason(cause)}`, { cause });
        });
        return fetchTarget(target.url, {
          addresses,
          headers,
          maxBytes,
          onReceived,
          connectTimeout: timeout,
          signal,
          scheduler,
        });
      });
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      throw new RelayError(504, `${target.url.host}: no complete response within ${timeout} s`, {
        cause: error,
      });
    }
  }
}

/**
 * The timeout of a request in seconds: half a second less than the client's (half of it, where that is under a
 * second), at most a minute.
 *
 * @param header X-Prometheus-Scrape-Timeout-Seconds; without it, the timeout is `fallback`.
 * @throws RelayError 400
 */
function timeoutOf(header: string | undefined, fallback: number): number {
  if (header === undefined) return fallback;
  const requested = /^\d{1,9}(\.\d{1,9})?$/.test(header) ? Number(header) : 0;
  if (requested === 0)
    throw new RelayError(400, "X-Prometheus-Scrape-Timeout-Seconds is not a number of seconds above 0");
  return Math.min(Math.max(requested - timeoutMargin, requested / 2), maxTimeout);
}

/** The client's Accept header, without protobuf, which the relay cannot validate. */
function acceptOf(header: string | undefined): string {
  if (header === undefined || header.length > maxAcceptLength || !/^[\x20-\x7e]+$/.test(header))
    return acceptHeader;
  const ranges = header
    .split(",")
    .filter((range) => !/^\s*application\/vnd\.google\.protobuf\b/i.test(range));
  return ranges.length === 0 ? acceptHeader : ranges.join(",").trim();
}
