import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { type Access, openAccess } from "../../config/access.js";
import { describeError } from "../../errors.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { TokenBucket } from "../../model/token-bucket.js";
import { Authenticator, type AuthenticatorOptions, type Verdict } from "./authenticator.js";

/** What anybody may ask for, as load balancers and health checks do: they tell nothing but that the process is well. */
const openPaths = new Set(["/-/healthy", "/-/ready"]);

/** Stands before the routes and lets in who may, as `use` was told last. */
export class Guard {
  readonly #authenticator: Authenticator;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #headers: readonly (readonly [string, string])[] = [];
  #rate: TokenBucket | undefined;

  constructor(options: AuthenticatorOptions) {
    this.#authenticator = new Authenticator(options);
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.use(openAccess);
  }

  /** Takes other users, headers and limits, from the next request on. */
  use(access: Access): void {
    this.#authenticator.use(access);
    this.#headers = Object.entries(access.headers);
    const { interval, burst } = access.rateLimit ?? {};
    this.#rate =
      interval === undefined || burst === undefined
        ? undefined
        : new TokenBucket({ capacity: burst, perSecond: 1 / interval }, this.#clock.monotonic());
  }

  /** A listener that hands to `app` what may pass, at once where that is known at once, and answers the rest. */
  protect(app: RequestListener): RequestListener {
    return (request, response) => {
      for (const [name, value] of this.#headers) response.setHeader(name, value);
      if (openPaths.has(pathOf(request))) {
        app(request, response);
        return;
      }
      const now = this.#clock.monotonic();
      if (this.#rate?.take(now) === false) {
        answerWait(
          response,
          this.#rate.secondsUntilNext(now),
          "too many requests: rate_limit of the web configuration",
        );
        return;
      }
      if (!this.#authenticator.required) {
        app(request, response);
        return;
      }
      const verdict = this.#authenticator.check(request.headers.authorization, request.socket.remoteAddress);
      const obey = (known: Verdict) => {
        if (known.kind === "pass") app(request, response);
        else this.#answer(known, response);
      };
      if (verdict instanceof Promise) this.#whenKnown(verdict, response, obey);
      else obey(verdict);
    };
  }

  /** Nothing that waits is looked at any more. */
  stop(): void {
    this.#authenticator.stop();
  }

  #whenKnown(verdict: Promise<Verdict>, response: ServerResponse, obey: (verdict: Verdict) => void): void {
    verdict.then(
      (known) => {
        if (!response.destroyed) obey(known);
      },
      (error) => {
        this.#logger.error("a password could not be looked at", { error: describeError(error) });
        answer(response, 500, "internal error; the log says more");
      },
    );
  }

  #answer(verdict: Exclude<Verdict, { kind: "pass" }>, response: ServerResponse): void {
    if (verdict.kind === "wait") {
      answerWait(response, verdict.seconds, "too many wrong passwords or tokens: not looked at");
      return;
    }
    response.setHeader("WWW-Authenticate", this.#authenticator.challenges);
    answer(response, 401, "a user and password, or a token, is needed, and must be right");
  }
}

function pathOf({ url = "" }: IncomingMessage): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

function answerWait(response: ServerResponse, seconds: number, text: string): void {
  response.setHeader("Retry-After", String(Math.max(1, Math.ceil(seconds))));
  answer(response, 429, text);
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(`${text}\n`);
}
