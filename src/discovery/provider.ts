import type { Target } from "../model/target.js";

/**
 * What a provider tells between two lists.
 *
 * `started` and `stopped` name a target's id; after `started` a list has it. `changed`: list again.
 */
export type TargetChange =
  | { readonly kind: "started"; readonly id: string }
  | { readonly kind: "stopped"; readonly id: string }
  | { readonly kind: "changed" };

/** Where targets come from: Docker, a file, … One implementation a file, all held by one shared test suite. */
export interface TargetProvider {
  /** Short and unique: `docker`, `file`. */
  readonly name: string;

  /**
   * Everything that is there now, in a stable order, each id once.
   *
   * @throws DiscoveryError when the list could not be had, for whatever reason, or when `signal` aborts.
   *   A failure is never an empty list.
   */
  list(signal: AbortSignal): Promise<readonly Target[]>;

  /**
   * Tells changes as they happen until `signal` aborts; then it leaves nothing behind and resolves. It survives
   * failures of its source by itself, trying again with growing delay, and never rejects. It is a hint that
   * makes things fast: callers list now and then all the same.
   */
  watch(listener: (change: TargetChange) => void, signal: AbortSignal): Promise<void>;
}
