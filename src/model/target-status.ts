import type { Target } from "./target.js";

/**
 * What is known of a target's scrapes.
 *
 * `up`: the last scrape was good. `down`: it has had metrics, or should have some, and the last scrape failed.
 * `no metrics`: none of its candidates ever answered with metrics. `pending`: not asked yet.
 * `unreachable`, `disabled`: it is not asked; the reason says why.
 */
export const targetStates = ["up", "down", "no metrics", "pending", "unreachable", "disabled"] as const;
export type TargetState = (typeof targetStates)[number];

/** A target with the outcome of its last scrape. */
export interface TargetStatus {
  readonly target: Target;
  readonly state: TargetState;
  /** Why it is not `up`, in one line. */
  readonly reason?: string;
  /** The candidate that answered last. */
  readonly url?: string;
  /** When it was last asked and when that last went well, in milliseconds since the epoch. */
  readonly lastScrape?: number;
  readonly lastSuccess?: number;
  /** How long the last scrape took, in seconds. */
  readonly lastDuration?: number;
  /** Scrapes that failed since the last good one. */
  readonly failures: number;
}

/** Whether it has metrics, or should have some. */
export function hasMetrics({ state }: { readonly state: string }): boolean {
  return state === "up" || state === "down";
}

/** How a provider's last list went. */
export interface ProviderStatus {
  readonly name: string;
  /** Since when, in milliseconds since the epoch, the list fails, and why; absent while all is well. */
  readonly failing?: { readonly since: number; readonly reason: string };
}
