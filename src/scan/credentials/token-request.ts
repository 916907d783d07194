import { type Dispatcher, request } from "undici";
import { isHeaderValue } from "../../config/schema-primitives.js";
import type { OAuth2Settings } from "../../config/scrape-auth.js";
import { AppError, codeOf } from "../../errors.js";

/** A token as the server gave it. */
export interface Token {
  readonly value: string;
  /** Seconds for which it is good; infinite where the server does not say. */
  readonly lifetime: number;
}

/** How long a request goes on. */
export interface TokenLimits {
  /** Seconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/** No token could be had; the message is the reason in words, without any secret. */
export class TokenError extends AppError {}

const maxAnswerBytes = 64 * 1024;
const maxTokenLength = 12 * 1024;
const maxLifetime = 10 * 365 * 86_400;

/**
 * Asks a token server by the grant of client credentials (RFC 6749, 4.4.2). The client names itself by HTTP's basic
 * authentication, which every server must know, and, where that is refused, by parameters of the form (2.3.1).
 *
 * @param limits the seconds that each of the two requests takes at most, and what ends it.
 * @throws TokenError when anything goes wrong.
 */
export async function requestToken(
  settings: OAuth2Settings,
  clientSecret: string,
  dispatcher: Dispatcher,
  limits: TokenLimits,
): Promise<Token> {
  const ask = (inForm: boolean) => askOnce(settings, clientSecret, dispatcher, limits, inForm);
  try {
    const answer = await ask(false);
    const refused = answer.status === 400 || answer.status === 401;
    return tokenOf(refused ? await ask(true) : answer);
  } catch (error) {
    if (error instanceof TokenError) throw error;
    // The library's error would bring along the request.
    throw new TokenError(codeOf(error) ?? "the request failed");
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function askOnce(
  { clientId, scopes, tokenUrl, endpointParams }: OAuth2Settings,
  clientSecret: string,
  dispatcher: Dispatcher,
  { timeout, signal }: TokenLimits,
  inForm: boolean,
): Promise<Answer> {
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
    return { status: response.statusCode, text: await readBounded(response.body) };
  } catch (error) {
    if (ending.aborted && !signal.aborted) throw new TokenError(`no complete answer within ${timeout} s`);
    throw error;
  }
}

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw new TokenError(`its answer is longer than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tokenOf({ status, text }: Answer): Token {
  const answer = parseObject(text);
  if (status !== 200) throw new TokenError(`it answered with status ${status}${errorCodeOf(answer)}`);
  const { access_token: value, token_type: type, expires_in: lifetime } = answer ?? {};
  if (typeof value !== "string" || value === "" || value.length > maxTokenLength || !isHeaderValue(value)) {
    throw new TokenError("its answer holds no usable access_token");
  }
  if (type !== undefined && (typeof type !== "string" || type.toLowerCase() !== "bearer")) {
    throw new TokenError("its token is of a type other than Bearer");
  }
  return { value, lifetime: secondsOf(lifetime) };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The error code of RFC 6749, 5.2, where it looks like one; its description may say anything. */
function errorCodeOf(answer: Record<string, unknown> | undefined): string {
  const code = answer?.["error"];
  return typeof code === "string" && /^[a-z_]{1,40}$/.test(code) ? `: ${code}` : "";
}

function secondsOf(lifetime: unknown): number {
  if (lifetime === undefined || lifetime === null) return Number.POSITIVE_INFINITY;
  const seconds = Number(lifetime);
  if (!Number.isFinite(seconds)) throw new TokenError("its answer holds an expires_in that is no number");
  return Math.min(Math.max(seconds, 0), maxLifetime);
}

/** RFC 6749, 2.3.1: encoded as in a form before it is joined. */
function formEncoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}
