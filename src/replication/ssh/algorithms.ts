import type { Algorithms } from "ssh2";

/** What both ends offer: what is fast with Node's own crypto and what OpenSSH offers, too; no compression. */
export const sshAlgorithms: Algorithms = {
  kex: ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"],
  serverHostKey: ["ssh-ed25519"],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"],
  compress: ["none"],
};

/** The user's name in `ssh replicator@node`; any other is as good. */
export const sshUser = "replicator";
