import type { Algorithms } from "ssh2";
import type { Rate } from "../../model/token-bucket.js";

/** An authenticated SSH connection, the same for the end that dialled and the end that accepted. */
export interface PeerConnection {
  /** IP address of the remote side. */
  readonly remoteAddress: string;
  /** Bytes on the wire so far, including the overhead of SSH. */
  readonly bytes: { readonly in: number; readonly out: number };
  /** Aborts when the connection ends. The reason is a PeerError. */
  readonly ended: AbortSignal;
  /** Ends the connection and its channels at once; unsent data is lost. */
  close(): void;
}

/** Algorithms that both sides offer: fast with Node's crypto and supported by OpenSSH. No compression. */
export const sshAlgorithms: Algorithms = {
  kex: ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"],
  serverHostKey: ["ssh-ed25519"],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"],
  compress: ["none"],
};

/** The user name in `ssh replicator@node`. The server accepts any name. */
export const sshUser = "replicator";

/** Bytes that the remote side may send before it is authenticated. A handshake and a login take about 3 kB. */
export const maxUnauthenticatedBytes = 64 * 1024;

/**
 * Key re-exchanges that the remote side may start. Each costs some milliseconds of CPU; RFC 4253, section 9,
 * recommends one per gigabyte.
 */
export const rekeyRate: Rate = { capacity: 10, perSecond: 0.1 };

/** Exit code of a command that the server does not have, as in a shell. */
export const unknownCommandCode = 127;
