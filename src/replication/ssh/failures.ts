import { describeError } from "../../errors.js";
import { PeerError } from "../peer-error.js";

/**
 * Why the SSH server refused a connection or request; the values of the label `reason`.
 *
 * `connections`: too many connections, or too many new ones. `handshake`: closed or too slow before authentication,
 * like a port scan. `host_key`: the client rejects this node's host key, as a node with another SSHPASS does. `key`,
 * `password`: wrong. `channels`: too many channels or commands. `requests`: not supported, such as a shell.
 * `timeout`: the client did not read the output of a command. `limit`: another limit exceeded.
 */
export const refusalReasons = [
  "connections",
  "handshake",
  "host_key",
  "key",
  "password",
  "channels",
  "requests",
  "timeout",
  "limit",
] as const;
export type RefusalReason = (typeof refusalReasons)[number];

/** An error of ssh2: where it occurred, such as `client-authentication`, or the code of a DISCONNECT message. */
export type SshError = Error & { readonly level?: string; readonly code?: unknown };

/** Codes of RFC 4253, section 11.1. ssh2 sends the first one when it rejects a host key. */
const keyExchangeFailed = 3;
const hostKeyNotVerifiable = 9;

/** Whether the client ended the connection because it rejects this node's host key. */
export function isHostKeyRejection({ code }: SshError): boolean {
  return code === keyExchangeFailed || code === hostKeyNotVerifiable;
}

/** ssh2's messages for a host key of another type, and for one whose private key the server does not have. */
const unprovenHostKey = /no matching host key format|signature verification failed/;

/**
 * Why connecting to a peer failed.
 *
 * @param hostKeyRejected whether the peer's host key is not the shared one.
 */
export function connectFailure(error: SshError, hostKeyRejected: boolean): PeerError {
  const options = { cause: error };
  if (hostKeyRejected || unprovenHostKey.test(error.message)) {
    const message = "unknown host key: the peer has another SSHPASS or is an impostor";
    return new PeerError("host_key", message, options);
  }
  if (error.level === "client-authentication") {
    return new PeerError("auth", "peer rejected our key: it has another SSHPASS", options);
  }
  return new PeerError("connect", `cannot connect: ${describeError(error)}`, options);
}

/** Why an established connection ended. */
export function connectionFailure(error: SshError): PeerError {
  const options = { cause: error };
  if (error.level === "client-timeout") return new PeerError("timeout", "peer stopped responding", options);
  return new PeerError("closed", `connection lost: ${describeError(error)}`, options);
}
