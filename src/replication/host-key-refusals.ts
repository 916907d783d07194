import type { Logger } from "../logging.js";

/** Reasons of RFC 4253, section 11.1, that a client gives which does not take the host key. */
const reasons: ReadonlySet<unknown> = new Set([
  3, // SSH_DISCONNECT_KEY_EXCHANGE_FAILED, what instances of this program say
  9, // SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE
]);

/** From so many addresses it is told; beyond that somebody plays. */
const mostTold = 1000;

/**
 * Notes clients that do not take this node's host key, since they have another SSHPASS. On a worker, which begins no
 * exchange itself, nothing else says so. Each address is told once, until it has logged in.
 */
export class HostKeyRefusals {
  readonly #told = new Set<string>();

  constructor(private readonly logger: Logger) {}

  /** Whether an error of a connection is such a refusal; then it is told. */
  note(error: unknown, address: string): boolean {
    if (!reasons.has((error as { code?: unknown }).code)) return false;
    if (!this.#told.has(address) && this.#told.size < mostTold) {
      this.#told.add(address);
      this.logger.warn(
        "a client does not take this node's host key: another SSHPASS there or here, or a stranger",
        {
          from: address,
        },
      );
    }
    return true;
  }

  /** A client from there has logged in. */
  passed(address: string): void {
    this.#told.delete(address);
  }
}
