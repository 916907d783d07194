import { Backoff } from "../../backoff.js";
import type { Clock } from "../../model/clock.js";
import { type Token, TokenError } from "./token-request.js";

export interface TokenSourceOptions {
  /** Requests a token from the server. */
  request(): Promise<Token>;
  /** Called with the reason when the server starts to fail, and with undefined when it recovers. */
  report(problem: string | undefined): void;
  readonly clock: Clock;
}

/** The last part of the lifetime, in which the token is renewed while still in use: a fifth, at most a minute. */
const renewalPart = 0.2;
const maxRenewalSeconds = 60;
/** Seconds between two requests while the server fails. */
const pauses = { first: 2, longest: 60 };
/** If a target rejects a token younger than this many seconds, another token would not help. */
const minRejectedAge = 5;

/**
 * A token shared by all targets of an entry. It is renewed before it expires, with one request at a time. After a
 * failure, requests pause with backoff; meanwhile `get` fails immediately.
 */
export class TokenSource {
  #token: { value: string; requestedAt: number; renewAt: number; expiresAt: number } | undefined;
  #pending: Promise<string> | undefined;
  readonly #backoff = new Backoff(pauses);
  #problem: string | undefined;

  constructor(private readonly options: TokenSourceOptions) {}

  /** @throws TokenError if there is no token. */
  async get(): Promise<string> {
    const now = this.#now();
    const token = this.#token;
    if (token !== undefined && now < token.expiresAt) {
      // Not awaited; a failure is reported.
      if (now >= token.renewAt) this.#renew().catch(() => undefined);
      return token.value;
    }
    return await this.#renew();
  }

  /**
   * Notes that a target rejected a token that should be valid.
   *
   * @returns whether to retry with the token that `get` returns now.
   */
  reject(value: string): boolean {
    const token = this.#token;
    if (token === undefined || token.value !== value) return true;
    if (this.#now() - token.requestedAt < minRejectedAge) return false;
    this.#token = undefined;
    return true;
  }

  /** Requests a new token on the next use, without backoff, because the client secret changed. */
  renewSoon(): void {
    if (this.#token !== undefined) this.#token.renewAt = this.#now();
    this.#backoff.succeeded();
  }

  #now(): number {
    return this.options.clock.monotonic() / 1000;
  }

  async #renew(): Promise<string> {
    if (this.#pending === undefined) {
      if (this.#backoff.wait(this.#now()) > 0) throw new TokenError(this.#problem ?? "request failed");
      this.#pending = this.#request().finally(() => {
        this.#pending = undefined;
      });
    }
    return await this.#pending;
  }

  async #request(): Promise<string> {
    // The lifetime counts from here: the response may have been delayed.
    const requestedAt = this.#now();
    try {
      const { value, lifetime } = await this.options.request();
      // Even a token without a lifetime serves the current callers.
      const expiresAt = requestedAt + Math.max(lifetime, 1);
      this.#token = {
        value,
        requestedAt,
        expiresAt,
        renewAt: expiresAt - Math.min(lifetime * renewalPart, maxRenewalSeconds),
      };
      this.#backoff.succeeded();
      if (this.#problem !== undefined) this.options.report(undefined);
      this.#problem = undefined;
      return value;
    } catch (error) {
      this.#backoff.failed(this.#now());
      const problem = (error as Error).message;
      if (this.#problem === undefined) this.options.report(problem);
      this.#problem = problem;
      throw error;
    }
  }
}
