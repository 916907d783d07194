import type { Target } from "./target.js";

/**
 * `up`: the last scrape succeeded. `down`: the last scrape failed, but an earlier one succeeded, or the target is
 * expected to have metrics. `no metrics`: no scrape has succeeded. `pending`: not scraped yet. `unreachable`,
 * `disabled`: not scraped.
 */
export const targetStates = ["up", "down", "no metrics", "pending", "unreachable", "disabled"] as const;
export type TargetState = (typeof targetStates)[number];

/** The states in `/targets` and metrics. `shadowed`: up, but another target with the same job and instance is served. */
export const shownStates = [...targetStates, "shadowed"] as const;
export type ShownState = (typeof shownStates)[number];

/** A target with the outcome of its last scrape. */
export interface TargetStatus {
  readonly target: Target;
  readonly state: TargetState;
  /** Why it is not `up`, in one line. */
  readonly reason?: string;
  /** The URL of the last successful scrape. */
  readonly url?: string;
  /** Times in milliseconds since 1970. */
  readonly lastScrape?: number;
  readonly lastSuccess?: number;
  /** Duration of the last scrape in seconds. */
  readonly lastDuration?: number;
  /** Failed scrapes since the last successful one. */
  readonly failures: number;
}

/** Whether a target has metrics, or is expected to have metrics. */
export function hasMetrics({ state }: { readonly state: string }): boolean {
  return state === "up" || state === "down";
}

/** The state of a provider. */
export interface ProviderStatus {
  readonly name: string;
  /** Since when (milliseconds since 1970) and why listing fails; undefined if it succeeds. */
  readonly failing?: { readonly since: number; readonly reason: string };
}
