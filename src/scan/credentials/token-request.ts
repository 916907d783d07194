import { type Dispatcher, request } from "undici";
import { z } from "zod";
import { isHeaderValue } from "../../config/schema-primitives.js";
import type { OAuth2Section } from "../../config/scrape-auth.js";
import { AppError, codeOf } from "../../errors.js";

/** An access token. */
export interface Token {
  readonly value: string;
  /** Lifetime in seconds; infinite if the server does not state it. */
  readonly lifetime: number;
}

/** What a request needs. */
export interface TokenRequest {
  readonly settings: OAuth2Section;
  /** Empty without a secret. */
  readonly clientSecret: string;
  readonly dispatcher: Dispatcher;
  /** In seconds, for each HTTP request. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/** A failed token request. The message is the reason, without any secret. */
export class TokenError extends AppError {}

/** Maximum size of a response; a limit of the dispatcher. */
export const maxResponseBytes = 64 * 1024;
const maxLength = 12 * 1024;
const maxLifetime = 10 * 365 * 86_400;

/**
 * Requests a token with the client credentials grant (RFC 6749, 4.4.2). The client authenticates with HTTP basic
 * authentication, which every server must support; if that is rejected, with form parameters (2.3.1).
 *
 * @throws TokenError for every failure.
 */
export async function requestToken(options: TokenRequest): Promise<Token> {
  try {
    const response = await send(options, "header");
    const rejected = response.status === 400 || response.status === 401;
    return tokenOf(rejected ? await send(options, "form") : response);
  } catch (error) {
    if (error instanceof TokenError) throw error;
    if (codeOf(error) === "UND_ERR_RES_EXCEEDED_MAX_SIZE") {
      throw new TokenError(`response exceeds ${maxResponseBytes} bytes`);
    }
    // The error of the library would include the request with its secrets.
    throw new TokenError(codeOf(error) ?? "request failed");
  }
}

async function send(
  { settings, clientSecret, dispatcher, timeout, signal }: TokenRequest,
  authentication: "header" | "form",
) {
  const { client_id, scopes, token_url, endpoint_params } = settings;
  const form = new URLSearchParams({ grant_type: "client_credentials" });
  if (scopes.length > 0) form.set("scope", scopes.join(" "));
  for (const [name, value] of Object.entries(endpoint_params)) form.set(name, value);
  const headers: Record<string, string> = {
    "content-type": "application/x-www-form-urlencoded",
    accept: "application/json",
  };
  if (authentication === "form") {
    form.set("client_id", client_id);
    if (clientSecret !== "") form.set("client_secret", clientSecret);
  } else {
    const pair = `${formEncoded(client_id)}:${formEncoded(clientSecret)}`;
    headers["authorization"] = `Basic ${Buffer.from(pair).toString("base64")}`;
  }
  const ending = AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)]);
  try {
    const response = await request(token_url, {
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

const noToken = "response has no valid access_token";

/** A successful response (RFC 6749, 5.1). */
const tokenResponse = z.object(
  {
    access_token: z.string(noToken).min(1, noToken).max(maxLength, noToken).refine(isHeaderValue, noToken),
    token_type: z.stringFormat("Bearer", /^bearer$/i, "token type is not Bearer").optional(),
    expires_in: z.coerce.number("expires_in is not a number").nullish(),
  },
  noToken,
);

function tokenOf({ status, text }: Awaited<ReturnType<typeof send>>): Token {
  const content = parseJson(text);
  if (status !== 200) throw new TokenError(`HTTP status ${status}${errorCodeOf(content)}`);
  const { data, error } = tokenResponse.safeParse(content);
  if (error !== undefined) throw new TokenError(error.issues[0]!.message);
  const lifetime = data.expires_in ?? Number.POSITIVE_INFINITY;
  return { value: data.access_token, lifetime: Math.min(Math.max(lifetime, 0), maxLifetime) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The error code (RFC 6749, 5.2) if it is well-formed. The description is omitted: it may contain anything. */
function errorCodeOf(content: unknown): string {
  const { data } = z.object({ error: z.string().regex(/^[a-z_]{1,40}$/) }).safeParse(content);
  return data === undefined ? "" : `: ${data.error}`;
}

/** Form-encodes one half of the client credentials (RFC 6749, 2.3.1). */
function formEncoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}
