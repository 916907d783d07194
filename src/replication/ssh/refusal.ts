/**
 * Why the SSH server refused somebody, as it is counted.
 *
 * `connections`: too many, or too many at once. `handshake`: it went away, or was too slow, before it had shown who it
 * is, as a port scan does. `host_key`: it does not take this node's host key, as a node with another SSHPASS does.
 * `key`, `password`: wrong. `channels`: more than a connection may have. `requests`: it asked for what there is not,
 * such as a shell. `timeout`: it did not take what it had asked for. `limit`: it was cut off since it used up more
 * than anybody may.
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
