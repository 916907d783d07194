/** Reasons of RFC 4253, section 11.1, that a client gives which does not take the host key. */
const reasons: ReadonlySet<unknown> = new Set([
  3, // SSH_DISCONNECT_KEY_EXCHANGE_FAILED, what instances of this program say
  9, // SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE
]);

/** Whether a connection ended since the client, as it said, does not take this node's host key. */
export function isHostKeyRefusal(error: unknown): boolean {
  return reasons.has((error as { code?: unknown }).code);
}
