import { AppError } from "../errors.js";

/**
 * Why a link to a peer failed; values of the label `reason`.
 *
 * `connect`: unreachable. `host_key`: the peer has another secret, or is an impostor. `auth`: the peer rejects this
 * node's key. `timeout`: too slow. `closed`: the connection closed. `protocol`: invalid message. `version`: no common
 * protocol version. `limit`: a limit was exceeded. `invalid_entry`: an invalid scrape or publication was skipped.
 * `same_name`: the peer has the name of this node.
 */
export const failureReasons = [
  "connect",
  "host_key",
  "auth",
  "timeout",
  "closed",
  "protocol",
  "version",
  "limit",
  "invalid_entry",
  "same_name",
] as const;
export type FailureReason = (typeof failureReasons)[number];

/** A failed link to a peer. What was received before the failure is kept. */
export class PeerError extends AppError {
  constructor(
    readonly reason: FailureReason,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
