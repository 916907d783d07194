import { timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import ssh2 from "ssh2";
import { part } from "./parting.js";
import type { PasswordGuard } from "./password-guard.js";
import type { RefusalReason } from "./refusal.js";

export interface AuthenticationOptions {
  readonly client: ssh2.Connection;
  readonly socket: Socket;
  /** Where it comes from. */
  readonly address: string;
  /** The public half of the key that all instances share, as SSH sends it. */
  readonly clientKey: Buffer;
  readonly passwords: PasswordGuard;
  /** Told each wrong password, and wrong keys once. */
  readonly onRefused: (reason: RefusalReason) => void;
  /** It has shown the key (`trusted`) or the password. */
  readonly onReady: (trusted: boolean) => void;
}

/** Wrong passwords and signatures, and whatever else a client may ask before it is sent away. */
const wrongAttempts = 3;
const allAttempts = 20;
/** Milliseconds until a wrong attempt is answered. */
const failureDelayMs = 300;

/**
 * Lets in who shows the shared key, or the password. Keys that a client merely offers, as an agent does with all that
 * it has, are refused at once and count little.
 */
export function authenticate(options: AuthenticationOptions): void {
  const { client, socket, address, clientKey, passwords, onRefused, onReady } = options;
  const methods: ssh2.AuthenticationType[] = ["publickey", "password"];
  let wrong = 0;
  let all = 0;
  let trusted = false;
  let keyTold = false;

  const sendAway = () => {
    client.end();
    part(socket);
  };
  const tellKey = () => {
    if (!keyTold) onRefused("key");
    keyTold = true;
  };
  const refuse = (context: ssh2.AuthContext) => {
    wrong++;
    setTimeout(() => {
      if (wrong < wrongAttempts) context.reject(methods);
      else sendAway();
    }, failureDelayMs).unref();
  };

  client.on("authentication", (context) => {
    if (wrong >= wrongAttempts) return;
    if (++all > allAttempts) return sendAway();
    if (context.method === "publickey") {
      const outcome = judgeKey(context, clientKey);
      trusted = outcome === "signed";
      if (outcome === "signed" || outcome === "offered") return context.accept();
      tellKey();
      if (outcome === "unknown") context.reject(methods);
      else refuse(context);
    } else if (context.method === "password") {
      trusted = false;
      if (passwords.accepts(context.password, address)) return context.accept();
      onRefused("password");
      refuse(context);
    } else {
      // `none` is how a client asks what there is.
      context.reject(methods);
    }
  });
  client.once("ready", () => onReady(trusted));
}

/** `offered`: the right key, not proven yet. `unknown`: another key. `forged`: the right key, but not its signature. */
function judgeKey(
  { key, signature, blob, hashAlgo }: ssh2.PublicKeyAuthContext,
  expected: Buffer,
): "signed" | "offered" | "unknown" | "forged" {
  const isExpected =
    key.algo === "ssh-ed25519" && key.data.length === expected.length && timingSafeEqual(key.data, expected);
  if (!isExpected) return signature === undefined ? "unknown" : "forged";
  if (signature === undefined) return "offered";
  const parsed = ssh2.utils.parseKey(expected);
  const proven =
    !(parsed instanceof Error) && blob !== undefined && parsed.verify(blob, signature, hashAlgo) === true;
  return proven ? "signed" : "forged";
}
