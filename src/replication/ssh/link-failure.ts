import { describeError } from "../../errors.js";
import { PeerError } from "../peer-error.js";

/** What ssh2 tells: where it went wrong, as `client-authentication`. */
type SshError = Error & { readonly level?: string };

/** What ssh2 says of a host key of another kind, and of one whose private half the other end does not have. */
const unprovenHostKey = /no matching host key format|signature verification failed/;

/**
 * Why a peer could not be connected to.
 *
 * @param hostKeyWrong whether it has shown another host key.
 */
export function failureOf(error: SshError, hostKeyWrong: boolean): PeerError {
  const options = { cause: error };
  if (hostKeyWrong || unprovenHostKey.test(error.message)) {
    return new PeerError(
      "host_key",
      "it has another host key: another SSHPASS there, or an impostor",
      options,
    );
  }
  if (error.level === "client-authentication") {
    return new PeerError("auth", "it does not take our key: another SSHPASS there", options);
  }
  return new PeerError("connect", `it cannot be reached: ${describeError(error)}`, options);
}

/** Why a connection that was there is no more. */
export function breakOf(error: SshError): PeerError {
  const options = { cause: error };
  if (error.level === "client-timeout")
    return new PeerError("timeout", "it does not answer any more", options);
  return new PeerError("closed", `the connection broke off: ${describeError(error)}`, options);
}
