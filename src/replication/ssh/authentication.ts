import { timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import ssh2 from "ssh2";
import type { RefusalReason } from "./failures.js";
import type { PasswordGuard } from "./password-guard.js";
import { endSocket } from "./socket-limits.js";

export interface AuthenticationOptions {
  readonly client: ssh2.Connection;
  readonly socket: Socket;
  /** IP address of the client. */
  readonly address: string;
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
  const { client, socket, address, clientKey, passwords, onRefused, onReady } = options;
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
      if (passwords.accepts(context.password, address)) return context.accept();
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
function checkKey(
  { key, signature, blob, hashAlgo }: ssh2.PublicKeyAuthContext,
  expected: Buffer,
): "proven" | "offered" | "unknown" | "forged" {
  const isExpected =
    key.algo === "ssh-ed25519" && key.data.length === expected.length && timingSafeEqual(key.data, expected);
  if (!isExpected) return signature === undefined ? "unknown" : "forged";
  if (signature === undefined) return "offered";
  const parsed = ssh2.utils.parseKey(expected);
  const proven =
    !(parsed instanceof Error) && blob !== undefined && parsed.verify(blob, signature, hashAlgo) === true;
  return proven ? "proven" : "forged";
}
