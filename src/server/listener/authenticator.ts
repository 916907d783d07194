import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { addressBlock } from "../../address/address-block.js";
import { BoundedMap } from "../../bounded-map.js";
import type { Access } from "../../config/access.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { TokenBucket } from "../../model/token-bucket.js";
import type { Telemetry } from "../../telemetry.js";
import { type Credentials, parseCredentials } from "./credentials.js";
import { PasswordChecks } from "./password-checks.js";

/** What becomes of a request. */
export type Verdict =
  | { readonly kind: "pass" }
  /** It shows nothing, or what is wrong. */
  | { readonly kind: "refuse" }
  /** Who asks was wrong too often, or too many ask: it is to come back after so many whole seconds. */
  | { readonly kind: "wait"; readonly seconds: number };

/** Wrong credentials from one client at once, and then a second. */
const wrongFromOne = { capacity: 10, perSecond: 1 / 5 };
const clientsRemembered = 10_000;
const credentialsRemembered = 1_000;
const secondsBetweenWarnings = 60;

const pass: Verdict = { kind: "pass" };
const refuse: Verdict = { kind: "refuse" };

export interface AuthenticatorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly checks?: PasswordChecks;
}

/**
 * Tells who may come in: users with a password, and who has the bearer token.
 *
 * What was right once is remembered as a keyed hash, together with the client that showed it, and costs microseconds
 * from then on: such a client is not held up by others, not even by those that share its address. All else is
 * bounded: a client that is wrong ten times may try once every five seconds, its attempts until then are not looked
 * at, right or wrong. (That they are not is what makes guessing slow; that the memory is bound to the client leaves a
 * guesser elsewhere nothing faster.)
 */
export class Authenticator {
  readonly #key = randomBytes(32);
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #telemetry: Telemetry;
  readonly #checks: PasswordChecks;
  /** What each was right for: the user's hash, or the token. */
  readonly #right = new BoundedMap<string, string>(credentialsRemembered);
  /** The same wrong credentials again, as of a Prometheus with an old password, tell a guesser nothing new. */
  readonly #wrong = new BoundedMap<string, true>(credentialsRemembered);
  readonly #buckets = new BoundedMap<string, TokenBucket>(clientsRemembered);
  /** What is being looked at, for requests that show the same at the same time. */
  readonly #pending = new Map<string, Promise<Verdict>>();
  #users: Access["users"] = new Map();
  #hashes: readonly string[] = [];
  #token: string | undefined;
  #generation = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor({ clock, logger, telemetry, checks }: AuthenticatorOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#telemetry = telemetry;
    this.#checks = checks ?? new PasswordChecks();
  }

  /** Takes other users and another token; who is in no list any more is out with the next request. */
  use({ users, bearerToken }: Pick<Access, "users" | "bearerToken">): void {
    this.#users = users;
    this.#hashes = [...users.values()];
    this.#token = bearerToken;
    this.#wrong.clear();
    this.#generation++;
  }

  /** Whether anybody has to show anything. */
  get required(): boolean {
    return this.#hashes.length > 0 || this.#token !== undefined;
  }

  /** What a 401 says in WWW-Authenticate. */
  get challenges(): string[] {
    const realm = 'realm="app-metrics-proxy"';
    return [
      ...(this.#hashes.length > 0 ? [`Basic ${realm}, charset="UTF-8"`] : []),
      ...(this.#token === undefined ? [] : [`Bearer ${realm}`]),
    ];
  }

  /** Looks at an Authorization header; what is known already is answered at once. */
  check(header: string | undefined, address: string | undefined): Verdict | Promise<Verdict> {
    const credentials = header === undefined ? undefined : parseCredentials(header);
    if (credentials === undefined) {
      this.#count("none", header === undefined ? "missing" : "malformed");
      return refuse;
    }
    const client = addressBlock(address);
    const digest = this.#digest(credentials, client);
    const known = this.#right.get(digest);
    if (known !== undefined && known === this.#expected(credentials)) {
      this.#count(credentials.scheme, "remembered");
      return pass;
    }
    if (this.#wrong.get(digest)) {
      this.#count(credentials.scheme, "wrong");
      return refuse;
    }
    const pending = this.#pending.get(digest);
    if (pending !== undefined) {
      return pending.then((verdict) => {
        this.#count(credentials.scheme, verdict.kind === "pass" ? "right" : "wrong");
        return verdict;
      });
    }
    return this.#look(credentials, client, digest);
  }

  /** Nothing that waits is looked at any more. */
  stop(): void {
    this.#checks.stop();
  }

  #look(credentials: Credentials, client: string, digest: string): Verdict | Promise<Verdict> {
    const bucket = this.#bucketOf(client);
    if (!bucket.take(this.#clock.monotonic())) {
      this.#count(credentials.scheme, "held up");
      this.#warn(client);
      return { kind: "wait", seconds: Math.ceil(bucket.secondsUntilNext(this.#clock.monotonic())) };
    }
    const expected = this.#expected(credentials);
    const generation = this.#generation;
    const conclude = (right: boolean): Verdict => {
      this.#count(credentials.scheme, right ? "right" : "wrong");
      if (right) {
        bucket.giveBack();
        if (expected !== undefined) this.#right.set(digest, expected);
        return pass;
      }
      if (generation === this.#generation) this.#wrong.set(digest, true);
      return refuse;
    };
    if (credentials.scheme === "bearer") return conclude(this.#isToken(credentials.secret));
    if (this.#hashes.length === 0) return conclude(false);

    const hash = expected ?? this.#someHash(credentials.user);
    const check = this.#checks.check(credentials.secret, hash, client);
    if (check === undefined) {
      bucket.giveBack();
      this.#count(credentials.scheme, "held up");
      return { kind: "wait", seconds: 1 };
    }
    this.#telemetry.passwordChecks.inc();
    const pending = check
      .then((same) => conclude(same && expected !== undefined && expected === this.#expected(credentials)))
      .finally(() => this.#pending.delete(digest));
    this.#pending.set(digest, pending);
    return pending;
  }

  /** What credentials must match: the user's hash, or the token; undefined for an unknown user. */
  #expected(credentials: Credentials): string | undefined {
    return credentials.scheme === "bearer" ? this.#token : this.#users.get(credentials.user);
  }

  /** For an unknown user: the hash of one that there is, always the same, so that looking takes as long. */
  #someHash(user: string): string {
    const number = createHmac("sha256", this.#key).update(user).digest().readUInt32BE();
    return this.#hashes[number % this.#hashes.length] ?? "";
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

  #bucketOf(client: string): TokenBucket {
    return this.#buckets.getOrCreate(client, () => new TokenBucket(wrongFromOne, this.#clock.monotonic()));
  }

  #count(scheme: string, result: string): void {
    this.#telemetry.authenticationAttempts.inc({ scheme, result });
  }

  #warn(client: string): void {
    const now = this.#clock.monotonic() / 1000;
    if (now - this.#warnedAt < secondsBetweenWarnings) return;
    this.#warnedAt = now;
    this.#logger.warn(
      "too many wrong passwords or tokens: further ones from there are not looked at for a while",
      { client },
    );
  }
}
