import { DeadlineError, withDeadline } from "../../deadline.js";
import { connectionReason } from "../../fetch/connection-reason.js";
import type { Scraped } from "../../fetch/read-answer.js";
import { Admission, type AdmissionOptions } from "./admission.js";
import { ByteBudget } from "./byte-budget.js";
import { askTarget } from "./fetch-target.js";
import { RelayError } from "./relay-error.js";
import { type RelayTarget, readRelayTarget } from "./relay-target.js";
import { acceptOf, timeoutOf } from "./request-headers.js";

export interface RelayOptions extends AdmissionOptions {
  /** The most that one target may answer with, inflated and on the wire. */
  readonly maxBytes: number;
  /** Seconds for a client that does not say how long it waits. */
  readonly timeout: number;
  /** Seconds that a client may take to read an answer; 30 unless told. */
  readonly sendTimeout?: number;
  /** Such as `app-metrics-proxy/1.2.3`. */
  readonly userAgent: string;
}

/** What a client asks of the relay. */
export interface RelayRequest {
  /** All values of the parameter `target`. */
  readonly targets: readonly string[];
  readonly accept: string | undefined;
  /** X-Prometheus-Scrape-Timeout-Seconds. */
  readonly timeout: string | undefined;
  readonly userAgent: string | undefined;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

/** One of the places for requests under way. */
export interface RelayPlace {
  /** @throws RelayError */
  ask(request: RelayRequest): Promise<Scraped>;
  /** Frees the place and the memory of the answer. May be called twice. */
  leave(): void;
}

/** Requests under way at one time, those included that are being answered. */
const maxUnderWay = 64;
/** How many answers of the largest size all of them together may hold. */
const largestAnswers = 2;
const ownMark = " (relay)";

/**
 * Asks targets that clients name, within RELAY_ALLOW, and hands on what is a whole and valid exposition. Nothing of
 * the client reaches a target but the formats that it takes and the time that it has.
 */
export class Relay {
  /** Seconds that a client may take to read an answer. */
  readonly sendTimeout: number;
  readonly #options: RelayOptions;
  readonly #admission: Admission;
  readonly #budget: ByteBudget;
  #underWay = 0;

  constructor(options: RelayOptions) {
    this.sendTimeout = options.sendTimeout ?? 30;
    this.#options = options;
    this.#admission = new Admission(options);
    this.#budget = new ByteBudget(largestAnswers * options.maxBytes);
  }

  /** @throws RelayError 503 where all places are taken. */
  enter(): RelayPlace {
    if (this.#underWay >= maxUnderWay)
      throw new RelayError(503, `${maxUnderWay} relayed requests are under way; try again`);
    this.#underWay++;
    const share = this.#budget.share();
    let inside = true;
    return {
      ask: (request) => this.#ask(request, share.take),
      leave: () => {
        if (!inside) return;
        inside = false;
        this.#underWay--;
        share.giveBack();
      },
    };
  }

  async #ask(request: RelayRequest, received: (bytes: number) => void): Promise<Scraped> {
    // A target that is this relay, or another that leads back, would keep asking itself.
    if (request.userAgent?.startsWith("app-metrics-proxy/") && request.userAgent.endsWith(ownMark))
      throw new RelayError(403, "a relay is not asked through a relay");
    const target = readRelayTarget(request.targets);
    const timeout = timeoutOf(request.timeout, this.#options.timeout);
    try {
      return await withDeadline(timeout * 1000, request.signal, (signal) =>
        this.#askWithin(target, timeout, acceptOf(request.accept), received, signal),
      );
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      throw new RelayError(504, `${target.url.host}: no complete answer within ${timeout} s`, {
        cause: error,
      });
    }
  }

  async #askWithin(
    target: RelayTarget,
    timeout: number,
    accept: string,
    received: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Scraped> {
    const addresses = await this.#admission.admit(target, signal).catch((cause) => {
      if (cause instanceof RelayError || signal.aborted) throw cause;
      throw new RelayError(502, `${target.host}: ${connectionReason(cause)}`, { cause });
    });
    return askTarget(target.url, {
      addresses,
      headers: {
        accept,
        "accept-encoding": "gzip",
        "user-agent": `${this.#options.userAgent}${ownMark}`,
        "x-prometheus-scrape-timeout-seconds": String(timeout),
      },
      maxBytes: this.#options.maxBytes,
      received,
      connectTimeout: timeout,
      signal,
    });
  }
}
