import type { Cache } from "../cache/cache.js";
import type { LastKnown } from "../cache/departed.js";
import type { Clock } from "../model/clock.js";
import { ageOf } from "../model/scrape.js";
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

/**
 * Why an entry of another node is not served any more, in a few words: its node is silent, or lives and has nothing
 * newer itself.
 */
export function whyNotHeardOf(
  lastKnown: Pick<LastKnown, "origin" | "measuredAt">,
  { holdings }: Pick<Cache, "holdings">,
  clock: Clock,
): string {
  const { origin } = lastKnown;
  const now = clock.monotonic();
  const age = ageOf(lastKnown, now);
  const silence = (now - (holdings.get(origin)?.heardAt ?? lastKnown.measuredAt)) / 1000;
  // What is as old as the silence of its node went with it.
  if (silence > age / 2) return `last heard of from node ${origin} ${Math.round(silence)} s ago`;
  return `node ${origin}, which scrapes it, has had nothing newer for ${Math.round(age)} s: ask it for the reason`;
}
