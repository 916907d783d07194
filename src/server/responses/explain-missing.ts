import leven from "leven";
import type { Cache } from "../../cache/cache.js";
import type { LastKnown } from "../../cache/departed.js";
import type { Clock } from "../../model/clock.js";
import { ageOf } from "../../model/scrape.js";
import type { TargetStatus } from "../../model/target-status.js";
import type { ServerContext } from "../context.js";

/** The maximum number of reasons in one response, which is a single line. */
const maxReasons = 5;
const maxSimilarNames = 5;
const maxNameLength = 256;

/** Why there is nothing to serve: 503 with the reasons for a known name, else 404 with similar names. */
export function explainMissing(
  context: ServerContext,
  name: string,
  replica: string | undefined,
): [status: number, text: string] {
  const { cache, clock } = context;
  const targets = context.targets().filter(({ target }) => target.names.includes(name));
  const requested = targets.filter(({ target }) => replica === undefined || target.replica === replica);
  const stale = cache.lastKnown(name);
  const elsewhere = stale.filter((last) => replica === undefined || last.replica === replica);
  if (requested.length + elsewhere.length > 0) {
    const reasons = new Set([
      ...requested.map((status) => explainTarget(status, clock.now())),
      ...elsewhere.map((last) => explainStale(last, cache, clock)),
    ]);
    return [
      503,
      `no fresh metrics for ${quote(name, replica)}: ${[...reasons].slice(0, maxReasons).join("; ")}`,
    ];
  }
  const known = cache.names().concat(context.targets().flatMap(({ target }) => target.names));
  if (replica !== undefined && (known.includes(name) || stale.length > 0)) {
    const replicas = [...cache.named(name), ...targets.map(({ target }) => target), ...stale];
    const list = [...new Set(replicas.map((identity) => identity.replica))].join(", ");
    return [404, `unknown replica: ${quote(name, replica)}; known replicas: ${list}`];
  }
  const similar = similarNames(name, known);
  const hint = similar.length === 0 ? "see /targets for known names" : `similar names: ${similar.join(", ")}`;
  return [404, `unknown name: ${quote(name, undefined)}; ${hint}`];
}

/** The first of these names, none of which has fresh metrics, that is not known at all. */
export function firstUnknown(
  { cache, targets }: ServerContext,
  names: readonly string[],
): string | undefined {
  const ofTargets = new Set(targets().flatMap(({ target }) => target.names));
  return names.find((name) => !ofTargets.has(name) && cache.lastKnown(name).length === 0);
}

/** Why a target of this node has no fresh metrics. @param now milliseconds since the epoch. */
function explainTarget({ state, reason, lastSuccess }: TargetStatus, now: number): string {
  if (state === "pending") return "not scraped yet";
  const last =
    lastSuccess === undefined
      ? ""
      : ` (last successful scrape ${Math.round((now - lastSuccess) / 1000)} s ago)`;
  return `${state}${reason === undefined ? "" : `: ${reason}`}${last}`;
}

/** Why a scrape from another node is stale: that node is silent, or it has nothing newer itself. */
function explainStale(
  lastKnown: Pick<LastKnown, "origin" | "measuredAt">,
  { holdings }: Pick<Cache, "holdings">,
  clock: Clock,
): string {
  const { origin } = lastKnown;
  const now = clock.monotonic();
  const age = ageOf(lastKnown, now);
  const silence = (now - (holdings.get(origin)?.heardAt ?? lastKnown.measuredAt)) / 1000;
  // A scrape as old as the silence of its node is stale because of it.
  if (silence > age / 2) return `nothing received from node ${origin} for ${Math.round(silence)} s`;
  return `node ${origin} has published no new scrape for ${Math.round(age)} s: see /targets on ${origin}`;
}

/** Up to five of the known names that resemble `name`: one contains the other, or a few letters differ. */
export function similarNames(name: string, known: Iterable<string>): string[] {
  if (name.length > maxNameLength) return [];
  const requested = name.toLowerCase();
  const maxDistance = Math.max(2, Math.floor(requested.length / 3));
  return [...new Set(known)]
    .map((candidate) => {
      const text = candidate.toLowerCase();
      const contained = text.includes(requested) || (text.length > 2 && requested.includes(text));
      return {
        candidate,
        distance: contained ? 0 : leven(requested, text, { maxDistance: maxDistance + 1 }),
      };
    })
    .filter(({ distance }) => distance <= maxDistance)
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, maxSimilarNames)
    .map(({ candidate }) => candidate);
}

/** Quotes a requested name, on one line and cut to a limited length. */
function quote(name: string, replica: string | undefined): string {
  const text = JSON.stringify(name.slice(0, 200));
  return replica === undefined ? text : `${text}, replica ${JSON.stringify(replica.slice(0, 200))}`;
}
