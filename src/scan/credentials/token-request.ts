import { type Dispatcher, request } from "undici";
import { isHeaderValue } from "../../config/schema-primitives.js";
import type { OAuth2Settings } from "../../config/scrape-auth.js";
import { AppError, codeOf } from "../../errors.js";

/** An access token. */
export interface Token {
  readonly value: string;
  /** Lifetime in seconds; infinite if the server does not state it. */
  readonly lifetime: number;
}

/** Limits of a request. */
export interface TokenLimits {
  /** In seconds, for each HTTP request. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/** A failed token request. The message is the reason, without any secret. */
export class TokenError extends AppError {}

/** Maximum size of a response; a limit of the dispatcher. */
export const maxResponseBytes = 64 * 1024;
const maxTokenLength = 12 * 1024;
const maxLifetime = 10 * 365 * 86_400;

/**
 * Requests a token with the client credentials grant (RFC 6749, 4.4.2). The client authenticates with HTTP basic
 * authentication, which every server must support; if that is rejected, with form parameters (2.3.1).
 *
 * @throws TokenError for every failure.
 */
export async function requestToken(
  settings: OAuth2Settings,
  clientSecret: string,
  dispatcher: Dispatcher,
  limits: TokenLimits,
): Promise<Token> {
  const send = (inForm: boolean) => sendOnce(settings, clientSecret, dispatcher, limits, inForm);
  try {
    const response = await send(false);
    const rejected = response.status === 400 || response.status === 401;
    return tokenOf(rejected ? await send(true) : response);
  } catch (error) {
    if (error instanceof TokenError) throw error;
    if (codeOf(error) === "UND_ERR_RES_EXCEEDED_MAX_SIZE") {
      throw new TokenError(`response exceeds ${maxResponseBytes} bytes`);
    }
    // The error of the library would include the request with its secrets.
    throw new TokenError(codeOf(error) ?? "request failed");
  }
}

interface TokenResponse {
  readonly status: number;
  readonly text: string;
}

async function sendOnce(
  { clientId, scopes, tokenUrl, endpointParams }: OAuth2Settings,
  clientSecret: string,
  dispatcher: Dispatcher,
  { timeout, signal }: TokenLimits,
  inForm: boolean,
): Promise<TokenResponse> {
  const form = new URLSearchParams({ grant_type: "client_credentials" });
  if (scopes.length > 0) form.set("scope", scopes.join(" "));
  for (const [name, value] of Object.entries(endpointParams)) form.set(name, value);
  const headers: Record<string, string> = {
    "content-type": "application/x-www-form-urlencoded",
    accept: "application/json",
  };
  if (inForm) {
    form.set("client_id", clientId);
    if (clientSecret !== "") form.set("client_secret", clientSecret);
  } else {
    const pair = `${formEncoded(clientId)}:${formEncoded(clientSecret)}`;
    headers["authorization"] = `Basic ${Buffer.from(pair).toString("base64")}`;
  }
  const ending = AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)]);
  try {
    const response = await request(tokenUrl, {
      dispatcher,
      method: "POST",
      headers,
      body: form.toString(),
      signal: ending,
    });
    response.body.on("error", () => undefined);
    return { status: response.statusCode, text: await response.body.text() };
  } catch (error) {
    if (ending.aborted && !signal.aborted) throw new TokenError(`no complete response within ${timeout} s`);
    throw error;
  }
}

function tokenOf({ status, text }: TokenResponse): Token {
  const fields = parseObject(text);
  if (status !== 200) throw new TokenError(`HTTP status ${status}${errorCodeOf(fields)}`);
  const { access_token: value, token_type: type, expires_in: lifetime } = fields ?? {};
  if (typeof value !== "string" || value === "" || value.length > maxTokenLength || !isHeaderValue(value)) {
    throw new TokenError("response has no valid access_token");
  }
  if (type !== undefined && (typeof type !== "string" || type.toLowerCase() !== "bearer")) {
    throw new TokenError("token type is not Bearer");
  }
  return { value, lifetime: secondsOf(lifetime) };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** The error code (RFC 6749, 5.2) if it is well-formed. The description is omitted: it may contain anything. */
function errorCodeOf(fields: Record<string, unknown> | undefined): string {
  const code = fields?.["error"];
  return typeof code === "string" && /^[a-z_]{1,40}$/.test(code) ? `: ${code}` : "";
}

function secondsOf(lifetime: unknown): number {
  if (lifetime === undefined || lifetime === null) return Number.POSITIVE_INFINITY;
  const seconds = Number(lifetime);
  if (!Number.isFinite(seconds)) throw new TokenError("expires_in is not a number");
  return Math.min(Math.max(seconds, 0), maxLifetime);
}

/** Form-encodes one half of the client credentials (RFC 6749, 2.3.1). */
function formEncoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}
