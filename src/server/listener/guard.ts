import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { type Access, openAccess } from "../../config/access.js";
import { describeError } from "../../errors.js";
import { TokenBucket } from "../../model/token-bucket.js";
import { sendText } from "../responses/send.js";
import { Authenticator, type AuthenticatorOptions, type Verdict } from "./authenticator.js";

/** Paths that need no authentication, for load balancers and health checks. They reveal only the proxy's state. */
const openPaths = new Set(["/-/healthy", "/-/ready"]);

/** Applies the access rules to every request: response headers, rate limit and authentication. */
export class Guard {
  readonly #authenticator: Authenticator;
  #headers: readonly (readonly [string, string])[] = [];
  #rate: TokenBucket | undefined;

  constructor(private readonly options: AuthenticatorOptions) {
    this.#authenticator = new Authenticator(options);
    this.use(openAccess);
  }

  /** Replaces users, headers and limits, from the next request on. */
  use(access: Access): void {
    this.#authenticator.use(access);
    this.#headers = Object.entries(access.headers);
    const { interval, burst } = access.rateLimit ?? {};
    this.#rate =
      interval === undefined || burst === undefined
        ? undefined
        : new TokenBucket({ capacity: burst, perSecond: 1 / interval }, this.options.clock.monotonic());
  }

  /** A listener that passes permitted requests to `app` and refuses the others with 401 or 429. */
  protect(app: RequestListener): RequestListener {
    return (request, response) => {
      for (const [name, value] of this.#headers) response.setHeader(name, value);
      if (openPaths.has(pathOf(request))) return app(request, response);
      const now = this.options.clock.monotonic();
      if (this.#rate?.take(now) === false) {
        const seconds = this.#rate.secondsUntilNext(now);
        return sendRetryAfter(response, seconds, "too many requests: rate_limit of the web configuration");
      }
      if (!this.#authenticator.required) return app(request, response);
      const verdict = this.#authenticator.check(request.headers.authorization, request.socket.remoteAddress);
      const pass = () => app(request, response);
      if (verdict instanceof Promise) this.#applyLater(verdict, response, pass);
      else this.#apply(verdict, response, pass);
    };
  }

  /** Cancels password checks that wait for their turn. */
  stop(): void {
    this.#authenticator.stop();
  }

  #applyLater(verdict: Promise<Verdict>, response: ServerResponse, pass: () => void): void {
    verdict.then(
      (known) => {
        if (!response.destroyed) this.#apply(known, response, pass);
      },
      (error) => {
        this.options.logger.error("password check failed", { error: describeError(error) });
        sendText(response, 500, "internal error; see the log");
      },
    );
  }

  #apply(verdict: Verdict, response: ServerResponse, pass: () => void): void {
    if (verdict === "pass") pass();
    else if (verdict === "refuse") {
      response.setHeader("WWW-Authenticate", this.#authenticator.challenges);
      sendText(response, 401, "authentication required");
    } else {
      const text = "too many failed authentication attempts; try again later";
      sendRetryAfter(response, verdict.retryAfter, text);
    }
  }
}

function pathOf({ url = "" }: IncomingMessage): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

function sendRetryAfter(response: ServerResponse, seconds: number, text: string): void {
  response.setHeader("Retry-After", String(Math.max(1, Math.ceil(seconds))));
  sendText(response, 429, text);
}
