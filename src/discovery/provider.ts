import type { Target } from "../model/target.js";

/**
 * A change that a provider reports between two lists. `id` is a target id; the next list contains a `started` target.
 * `changed` means that the list must be requested again.
 */
export type TargetChange =
  | { readonly kind: "started"; readonly id: string }
  | { readonly kind: "stopped"; readonly id: string }
  | { readonly kind: "changed" };

/** A source of targets, such as Docker or a file. All providers pass the shared test suite. */
export interface TargetProvider {
  /** Short and unique: `docker`, `file`. */
  readonly name: string;

  /**
   * All current targets, in a stable order, with unique ids.
   *
   * @throws DiscoveryError if listing fails or `signal` aborts. A failure never results in an empty list.
   */
  list(signal: AbortSignal): Promise<readonly Target[]>;

  /**
   * Reports changes until `signal` aborts; then releases all resources and resolves. Never rejects: retries with backoff
   * if the source fails. Changes may be missed, so callers must also list regularly.
   */
  watch(listener: (change: TargetChange) => void, signal: AbortSignal): Promise<void>;
}
