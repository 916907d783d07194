import type { TargetStatus } from "../model/target-status.js";

/**
 * Why a known target has nothing to serve, in a few words.
 *
 * @param now milliseconds since the epoch.
 */
export function whyNothingFresh({ state, reason, lastSuccess }: TargetStatus, now: number): string {
  const last =
    lastSuccess === undefined ? "" : ` (last good scrape ${Math.round((now - lastSuccess) / 1000)} s ago)`;
  if (state === "pending") return "it was not scraped yet";
  return `${state}${reason === undefined ? "" : `: ${reason}`}${last}`;
}
