import { createHash, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import ssh2 from "ssh2";
import { addressBlock } from "../../address/ip.js";
import { BoundedMap } from "../../bounded-map.js";
import type { Clock } from "../../model/clock.js";
import { TokenBucket } from "../../model/token-bucket.js";
import type { RefusalReason } from "./connection-guard.js";
import { endSocket } from "./flow-control.js";
import { sshLimits } from "./limits.js";

export interface AuthenticationOptions {
  readonly client: ssh2.Connection;
  readonly socket: Socket;
  /** The public half of the key that all instances share, in SSH's wire format. */
  readonly clientKey: Buffer;
  readonly passwords: PasswordGuard;
  /** Called for each wrong password, and once for wrong keys. */
  readonly onRefused: (reason: RefusalReason) => void;
  /** Called after authentication. @param trusted whether by the key instead of the password. */
  readonly onReady: (trusted: boolean) => void;
}

/** Wrong passwords and signatures, and attempts of any kind, after which the connection ends. */
const maxFailures = 3;
const maxAttempts = 20;
/** Milliseconds until a wrong attempt is rejected. */
const failureDelayMs = 300;

/**
 * Authenticates clients by the shared key or the password. Other public keys, which an agent offers one by one, are
 * rejected without a delay and do not count as failures.
 */
export function authenticate(options: AuthenticationOptions): void {
  const { client, socket, clientKey, passwords, onRefused, onReady } = options;
  const methods: ssh2.AuthenticationType[] = ["publickey", "password"];
  let failures = 0;
  let attempts = 0;
  let trusted = false;
  let keyCounted = false;

  const end = () => {
    client.end();
    endSocket(socket);
  };
  const fail = (context: ssh2.AuthContext) => {
    failures++;
    setTimeout(() => {
      if (failures < maxFailures) context.reject(methods);
      else end();
    }, failureDelayMs).unref();
  };

  client.on("authentication", (context) => {
    if (failures >= maxFailures) return;
    if (++attempts > maxAttempts) return end();
    if (context.method === "publickey") {
      const verdict = checkKey(context, clientKey);
      trusted = verdict === "proven";
      if (verdict === "proven" || verdict === "offered") return context.accept();
      if (!keyCounted) onRefused("key");
      keyCounted = true;
      if (verdict === "unknown") context.reject(methods);
      else fail(context);
    } else if (context.method === "password") {
      trusted = false;
      if (passwords.accepts(context.password, socket.remoteAddress)) return context.accept();
      onRefused("password");
      fail(context);
    } else {
      // With `none`, a client requests the list of methods.
      context.reject(methods);
    }
  });
  client.once("ready", () => onReady(trusted));
}

/** `offered`: the right key without a signature. `unknown`: another key. `forged`: a wrong signature. */
function checkKey({ key, signature, blob, hashAlgo }: ssh2.PublicKeyAuthContext, expected: Buffer) {
  const isExpected =
    key.algo === "ssh-ed25519" && key.data.length === expected.length && timingSafeEqual(key.data, expected);
  if (signature === undefined) return isExpected ? "offered" : "unknown";
  const parsed = ssh2.utils.parseKey(expected);
  if (!isExpected || blob === undefined || parsed instanceof Error) return "forged";
  return parsed.verify(blob, signature, hashAlgo) === true ? "proven" : "forged";
}

/**
 * Checks passwords in constant time and limits the rate of wrong ones. An address with too many wrong passwords is
 * rejected without a check until some time has passed. If too many come from all addresses together, only addresses
 * that have sent the right password before are still checked. Peers use a key and are not affected.
 */
export class PasswordGuard {
  readonly #expected: Buffer;
  readonly #total: TokenBucket;
  readonly #byAddress = new BoundedMap<string, TokenBucket>(sshLimits.addresses);
  readonly #trusted = new BoundedMap<string, true>(sshLimits.addresses);

  constructor(
    password: string,
    private readonly clock: Clock,
  ) {
    this.#expected = digest(password);
    this.#total = new TokenBucket(sshLimits.passwords, clock.monotonic());
  }

  /**
   * Whether the password is right and the address has not sent too many wrong ones.
   *
   * @param password as received. A request to change the password is an object, which is always wrong.
   */
  accepts(password: unknown, address: string | undefined): boolean {
    const now = this.clock.monotonic();
    const block = addressBlock(address);
    const own = this.#byAddress.getOrCreate(block, () => new TokenBucket(sshLimits.passwordsPerAddress, now));
    const total = this.#trusted.get(block) ? undefined : this.#total;
    if (!own.has(now) || total?.has(now) === false) return false;
    if (typeof password === "string" && timingSafeEqual(digest(password), this.#expected)) {
      this.#trusted.set(block, true);
      return true;
    }
    own.take(now);
    total?.take(now);
    return false;
  }
}

/** Passwords of any length become equally long, as timingSafeEqual requires. */
function digest(password: string): Buffer {
  return createHash("sha256").update(password.normalize("NFC")).digest();
}
