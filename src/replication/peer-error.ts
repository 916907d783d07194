import { AppError } from "../errors.js";

/**
 * Why an exchange with a peer failed, as it is counted.
 *
 * `connect`: nobody there, or not reachable. `host_key`: it has another secret, or is an impostor. `auth`: it takes
 * our key for a stranger's. `timeout`: it is too slow. `closed`: it went away in the middle. `protocol`: it does not
 * keep to the protocol. `limit`: it sends more than is taken. `invalid_entry`: an entry of its is none. `same_name`:
 * it bears the name of this node.
 */
export const failureReasons = [
  "connect",
  "host_key",
  "auth",
  "timeout",
  "closed",
  "protocol",
  "limit",
  "invalid_entry",
  "same_name",
] as const;
export type FailureReason = (typeof failureReasons)[number];

/** An exchange with a peer that failed; what came before the failure is kept. */
export class PeerError extends AppError {
  constructor(
    readonly reason: FailureReason,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
