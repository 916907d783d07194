import { backoffDelay } from "../../backoff.js";
import type { Clock } from "../../model/clock.js";
import { type Token, TokenError } from "./token-request.js";

export interface TokenSourceOptions {
  /** Asks the server. */
  request(): Promise<Token>;
  /** Told when the server begins to fail, with the reason, and with undefined once when it is well again. */
  tell(problem: string | undefined): void;
  readonly clock: Clock;
}

/** The last part of a token's life, in which it is still used and the next one is got: a fifth, at most a minute. */
const lastPart = 0.2;
const longestLastPart = 60;
/** Seconds between two tries while the server fails: this, then twice as long each time. */
const firstWait = 2;
const longestWait = 60;
/** A token this young, in seconds, that a target refuses is no reason to ask for another: the target means no. */
const young = 5;

/**
 * One token for all who need it: kept, got anew before it ends, with one request under way at a time. A server that
 * fails is left alone for a while, and whoever needs a token meanwhile is told so at once.
 */
export class TokenSource {
  #token: { value: string; gotAt: number; renewAt: number; endsAt: number } | undefined;
  #pending: Promise<string> | undefined;
  #failures = 0;
  #retryAt = 0;
  #problem: string | undefined;

  constructor(private readonly options: TokenSourceOptions) {}

  /** @throws TokenError where there is none. */
  async get(): Promise<string> {
    const now = this.#now();
    const token = this.#token;
    if (token !== undefined && now < token.endsAt) {
      // Its failure is told, and nobody waits for it.
      if (now >= token.renewAt) this.#renew().catch(() => undefined);
      return token.value;
    }
    return await this.#renew();
  }

  /**
   * Takes the word that a target refused a token that should have been good.
   *
   * @returns whether to try again with what `get` gives now.
   */
  refused(value: string): boolean {
    const token = this.#token;
    if (token === undefined || token.value !== value) return true;
    if (this.#now() - token.gotAt < young) return false;
    this.#token = undefined;
    return true;
  }

  /** The client's secret is another one: a new token is due, and how it went before says nothing any more. */
  renewSoon(): void {
    if (this.#token !== undefined) this.#token.renewAt = this.#now();
    this.#retryAt = 0;
  }

  #now(): number {
    return this.options.clock.monotonic() / 1000;
  }

  async #renew(): Promise<string> {
    if (this.#pending === undefined) {
      if (this.#now() < this.#retryAt) throw new TokenError(this.#problem ?? "it failed");
      this.#pending = this.#request().finally(() => {
        this.#pending = undefined;
      });
    }
    return await this.#pending;
  }

  async #request(): Promise<string> {
    // Its life counts from here: the server's answer may have been long on its way.
    const gotAt = this.#now();
    try {
      const { value, lifetime } = await this.options.request();
      // Even a token that has no life at all serves those who wait for it now.
      const endsAt = gotAt + Math.max(lifetime, 1);
      this.#token = {
        value,
        gotAt,
        endsAt,
        renewAt: endsAt - Math.min(lifetime * lastPart, longestLastPart),
      };
      this.#failures = 0;
      if (this.#problem !== undefined) this.options.tell(undefined);
      this.#problem = undefined;
      return value;
    } catch (error) {
      this.#failures++;
      this.#retryAt = this.#now() + backoffDelay(this.#failures, { first: firstWait, longest: longestWait });
      const problem = (error as Error).message;
      if (this.#problem === undefined) this.options.tell(problem);
      this.#problem = problem;
      throw error;
    }
  }
}
