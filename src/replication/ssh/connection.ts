import type { Socket } from "node:net";
import type { Algorithms } from "ssh2";
import { describeError } from "../../errors.js";
import { PeerError } from "../peer-error.js";

/** Algorithms that both sides offer: fast with Node's crypto and supported by OpenSSH. No compression. */
export const sshAlgorithms: Algorithms = {
  kex: ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"],
  serverHostKey: ["ssh-ed25519"],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"],
  compress: ["none"],
};

/** Exit code of a command that the server does not have, as in a shell. */
export const unknownCommandCode = 127;

/** An authenticated SSH connection, the same for the end that dialled and the end that accepted. */
export class PeerConnection {
  readonly #ended = new AbortController();

  constructor(protected readonly socket: Socket) {}

  /** Bytes on the wire so far, including the overhead of SSH. */
  get bytes(): { readonly in: number; readonly out: number } {
    return { in: this.socket.bytesRead, out: this.socket.bytesWritten };
  }

  /** Aborts when the connection ends. The reason is a PeerError. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Ends the connection and its channels at once; unsent data is lost. */
  close(): void {
    this.fail(new PeerError("closed", "connection closed by this node"));
  }

  /** The same as close(), with another reason. Only the first reason counts. */
  fail(reason: PeerError): void {
    this.end(reason);
    this.socket.destroy();
  }

  /** Marks the connection as ended. */
  protected end(reason: PeerError): void {
    this.#ended.abort(reason);
  }
}

/** An error of ssh2: where it occurred, such as `client-authentication`, or the code of a DISCONNECT message. */
export type SshError = Error & { readonly level?: string; readonly code?: unknown };

/** Why an established connection ended. */
export function connectionFailure(error: SshError): PeerError {
  const options = { cause: error };
  if (error.level === "client-timeout") return new PeerError("timeout", "peer stopped responding", options);
  return new PeerError("closed", `connection lost: ${describeError(error)}`, options);
}
