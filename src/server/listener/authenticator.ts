import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { addressBlock } from "../../address/ip.js";
import { BoundedMap } from "../../bounded-map.js";
import type { Access } from "../../config/access.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { TokenBucket } from "../../model/token-bucket.js";
import type { Telemetry } from "../../telemetry.js";
import { PasswordChecks } from "./password-checks.js";

/** What to do with a request. */
export type Verdict =
  | "pass"
  /** Its credentials are missing or wrong. */
  | "refuse"
  /** The client failed too often, or too many checks are waiting: it may retry after this many whole seconds. */
  | { readonly retryAfter: number };

/** Failed attempts per client: a burst, then a rate. */
const failuresPerClient = { capacity: 10, perSecond: 1 / 5 };
const maxClients = 10_000;
const maxCredentials = 1_000;
const msBetweenWarnings = 60_000;
/** In bytes. bcrypt ignores the rest. */
const maxComparedPassword = 72;

export interface AuthenticatorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly checks?: PasswordChecks;
}

/**
 * Authenticates requests: users by password, others by bearer token.
 *
 * Successful credentials are remembered as a keyed hash together with the client's address. Afterwards they cost
 * microseconds, and no other client delays them, not even one that shares the address. Everything else is limited:
 * a client that has failed ten times may try once every five seconds. Attempts before that are refused without a
 * check, even correct ones; otherwise guessing would not become slower.
 */
export class Authenticator {
  readonly #key = randomBytes(32);
  readonly #checks: PasswordChecks;
  /** By digest of successful credentials: what they matched, the user's hash or the token. */
  readonly #successful = new BoundedMap<string, string>(maxCredentials);
  /** Digests of failed credentials. Repeating them, as a Prometheus with an old password does, is no new guess. */
  readonly #failed = new BoundedMap<string, true>(maxCredentials);
  readonly #buckets = new BoundedMap<string, TokenBucket>(maxClients);
  /** Checks in progress, for simultaneous requests with the same credentials. */
  readonly #pending = new Map<string, Promise<Verdict>>();
  #users: Access["users"] = new Map();
  #token: string | undefined;
  #generation = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #warnedOfLength = false;

  constructor(private readonly options: AuthenticatorOptions) {
    this.#checks = options.checks ?? new PasswordChecks();
  }

  /** Replaces users and token. Removed ones are refused from the next request on. */
  use({ users, bearerToken }: Pick<Access, "users" | "bearerToken">): void {
    this.#users = users;
    this.#token = bearerToken;
    this.#failed.clear();
    this.#generation++;
  }

  /** Whether requests need credentials at all. */
  get required(): boolean {
    return this.#users.size > 0 || this.#token !== undefined;
  }

  /** The values of WWW-Authenticate in a 401 response. */
  get challenges(): string[] {
    const realm = 'realm="app-metrics-proxy"';
    return [
      ...(this.#users.size > 0 ? [`Basic ${realm}, charset="UTF-8"`] : []),
      ...(this.#token === undefined ? [] : [`Bearer ${realm}`]),
    ];
  }

  /** Checks an Authorization header. Returns the result at once if it is known or needs no password check. */
  check(header: string | undefined, address: string | undefined): Verdict | Promise<Verdict> {
    const credentials = header === undefined ? undefined : parseCredentials(header);
    if (credentials === undefined) {
      this.#count("none", header === undefined ? "missing" : "malformed");
      return "refuse";
    }
    const client = addressBlock(address);
    const digest = this.#digest(credentials, client);
    const known = this.#successful.get(digest);
    if (known !== undefined && known === this.#expected(credentials)) {
      this.#count(credentials.scheme, "remembered");
      return "pass";
    }
    if (this.#failed.get(digest)) {
      this.#count(credentials.scheme, "wrong");
      return "refuse";
    }
    const pending = this.#pending.get(digest);
    if (pending !== undefined) {
      return pending.then((verdict) => {
        this.#count(credentials.scheme, verdict === "pass" ? "right" : "wrong");
        return verdict;
      });
    }
    return this.#checkNew(credentials, client, digest);
  }

  /** Cancels password checks that wait for their turn. */
  stop(): void {
    this.#checks.stop();
  }

  #checkNew(credentials: Credentials, client: string, digest: string): Verdict | Promise<Verdict> {
    const now = this.options.clock.monotonic();
    const bucket = this.#buckets.getOrCreate(client, () => new TokenBucket(failuresPerClient, now));
    if (!bucket.take(now)) {
      this.#count(credentials.scheme, "held up");
      this.#warn(client, now);
      return { retryAfter: Math.ceil(bucket.secondsUntilNext(now)) };
    }
    const expected = this.#expected(credentials);
    const generation = this.#generation;
    const conclude = (correct: boolean): Verdict => {
      this.#count(credentials.scheme, correct ? "right" : "wrong");
      if (correct) {
        bucket.giveBack();
        if (expected !== undefined) this.#successful.set(digest, expected);
        this.#warnOfLength(credentials);
        return "pass";
      }
      if (generation === this.#generation) this.#failed.set(digest, true);
      return "refuse";
    };
    if (credentials.scheme === "bearer") return conclude(this.#isToken(credentials.secret));
    if (this.#users.size === 0) return conclude(false);

    const hash = expected ?? this.#substituteHash(credentials.user);
    const check = this.#checks.check(credentials.secret, hash, client);
    if (check === undefined) {
      bucket.giveBack();
      this.#count(credentials.scheme, "held up");
      return { retryAfter: 1 };
    }
    this.options.telemetry.passwordChecks.inc();
    const pending = check
      .then((same) => conclude(same && expected !== undefined && expected === this.#expected(credentials)))
      .finally(() => this.#pending.delete(digest));
    this.#pending.set(digest, pending);
    return pending;
  }

  /** What the credentials must match: the user's hash, or the token; undefined for an unknown user. */
  #expected(credentials: Credentials): string | undefined {
    return credentials.scheme === "bearer" ? this.#token : this.#users.get(credentials.user);
  }

  /** For an unknown user: the hash of another one, always the same, so that the check takes equally long. */
  #substituteHash(user: string): string {
    const number = createHmac("sha256", this.#key).update(user).digest().readUInt32BE();
    return [...this.#users.values()][number % this.#users.size] ?? "";
  }

  #isToken(secret: Buffer): boolean {
    if (this.#token === undefined) return false;
    const hash = (value: string | Buffer) => createHmac("sha256", this.#key).update(value).digest();
    return timingSafeEqual(hash(secret), hash(this.#token));
  }

  #digest(credentials: Credentials, client: string): string {
    const user = credentials.scheme === "basic" ? credentials.user : "";
    return createHmac("sha256", this.#key)
      .update(JSON.stringify([credentials.scheme, client, user]))
      .update(credentials.secret)
      .digest("base64");
  }

  #count(scheme: string, result: string): void {
    this.options.telemetry.authenticationAttempts.inc({ scheme, result });
  }

  #warn(client: string, now: number): void {
    if (now - this.#warnedAt < msBetweenWarnings) return;
    this.#warnedAt = now;
    const message = "too many failed authentication attempts; refusing further ones for a while";
    this.options.logger.warn(message, { client });
  }

  #warnOfLength(credentials: Credentials): void {
    const tooLong = credentials.scheme === "basic" && credentials.secret.length > maxComparedPassword;
    if (!tooLong || this.#warnedOfLength) return;
    this.#warnedOfLength = true;
    const message = "bcrypt compares only the first 72 bytes of a password; use a shorter one";
    this.options.logger.warn(message, { user: credentials.user });
  }
}

/** The credentials of a request: RFC 7617 (basic) or RFC 6750 (bearer). */
export type Credentials =
  | { readonly scheme: "basic"; readonly user: string; readonly secret: Buffer }
  | { readonly scheme: "bearer"; readonly secret: Buffer };

/** Parses an Authorization header; undefined if it is malformed or has another scheme. */
export function parseCredentials(header: string): Credentials | undefined {
  const match = /^(basic|bearer) +([\x21-\x7e]+) *$/i.exec(header);
  const [, scheme = "", value = ""] = match ?? [];
  if (scheme.toLowerCase() === "bearer") return { scheme: "bearer", secret: Buffer.from(value) };
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return undefined;
  const pair = Buffer.from(value, "base64");
  const colon = pair.indexOf(":");
  if (colon < 0) return undefined;
  return { scheme: "basic", user: pair.toString("utf8", 0, colon), secret: pair.subarray(colon + 1) };
}
