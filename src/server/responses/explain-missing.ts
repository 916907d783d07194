import leven from "leven";
import type { KnownTarget } from "../../cache/cache.js";
import { ageOf, type Scrape } from "../../model/scrape.js";
import { instanceKeyOf } from "../../model/target.js";
import { hasMetrics, type TargetStatus } from "../../model/target-status.js";
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
  const isRequested = (target: Identity) => replica === undefined || target.replica === replica;
  const own = context.targets().filter(({ target }) => target.names.includes(name));
  const elsewhere = targetsElsewhere(context, name);
  const expired = cache.expiredTargets(name);
  const reasons = new Set([
    ...own.filter(({ target }) => isRequested(target)).map((status) => explainTarget(status, clock.now())),
    ...elsewhere.filter(({ target }) => isRequested(target)).map((known) => explainElsewhere(known, context)),
    ...expired
      .filter(isRequested)
      .map(({ origin, lastPublished }) => silent(origin, clock.monotonic() - lastPublished)),
  ]);
  if (reasons.size > 0) {
    const listed = [...reasons].slice(0, maxReasons).join("; ");
    return [503, `no fresh metrics for ${quote(name, replica)}: ${listed}`];
  }
  const identities = [...own, ...elsewhere].map(({ target }) => target);
  const known = [...cache.names(), ...allTargets(context).flatMap(({ names }) => names)];
  if (replica !== undefined && (known.includes(name) || expired.length > 0)) {
    const replicas = [...cache.named(name), ...identities, ...expired];
    const list = [...new Set(replicas.map((identity) => identity.replica))].join(", ");
    return [404, `unknown replica: ${quote(name, replica)}; known replicas: ${list}`];
  }
  const similar = similarNames(name, known);
  const hint = similar.length === 0 ? "see /targets for known names" : `similar names: ${similar.join(", ")}`;
  return [404, `unknown name: ${quote(name, undefined)}; ${hint}`];
}

/**
 * Why this node has nothing of its own to serve: 503 if one of its replicas has no fresh metrics, 404 for an unknown
 * name. Undefined if there is nothing to scrape here, because only other nodes have replicas.
 *
 * @param named the fresh scrapes of other nodes. The old container of a replica that moved there is not missing.
 */
export function explainMissingOwn(
  context: ServerContext,
  named: readonly Scrape[],
  name: string,
  replica: string | undefined,
): [status: number, text: string] | undefined {
  const notReady = context.notReady();
  if (notReady.length > 0) return [503, `not ready: ${notReady.join("; ")}`];
  const moved = new Set(named.map(instanceKeyOf));
  const missing = context
    .targets()
    .filter(
      ({ target, state }) => target.names.includes(name) && (state === "pending" || hasMetrics({ state })),
    )
    .filter(({ target }) => replica === undefined || target.replica === replica)
    .filter(({ target }) => !moved.has(instanceKeyOf(target)));
  if (missing.length > 0) {
    const reasons = missing.slice(0, maxReasons).map((status) => explainTarget(status, context.clock.now()));
    return [503, `no fresh metrics for ${quote(name, replica)}: ${[...new Set(reasons)].join("; ")}`];
  }
  if (named.length > 0) return undefined;
  const [status, text] = explainMissing(context, name, replica);
  return status === 404 ? [status, text] : undefined;
}

/** The first of these names, none of which has fresh metrics, that is not known at all. */
export function firstUnknown(context: ServerContext, names: readonly string[]): string | undefined {
  const known = new Set(allTargets(context).flatMap(({ names }) => names));
  return names.find((name) => !known.has(name) && context.cache.expiredTargets(name).length === 0);
}

type Identity = Pick<KnownTarget["target"], "names" | "replica">;

/** The targets of all nodes that have not ended. */
function allTargets({ cache, targets }: ServerContext): Identity[] {
  const published = [...cache.targets()].filter(({ target }) => target.state !== "gone");
  return [...targets(), ...published].map(({ target }) => target);
}

function targetsElsewhere({ cache }: ServerContext, name: string): KnownTarget[] {
  return [...cache.targets()].filter(
    (known) => !cache.isOwn(known) && known.target.state !== "gone" && known.target.names.includes(name),
  );
}

/** Why a target of this node has no fresh metrics. @param now milliseconds since the epoch. */
function explainTarget({ state, reason, lastSuccess }: TargetStatus, now: number): string {
  if (state === "pending") return "not scraped yet";
  const explained = reason === undefined ? state : `${state}: ${reason}`;
  if (lastSuccess === undefined) return explained;
  return `${explained} (last successful scrape ${Math.round((now - lastSuccess) / 1000)} s ago)`;
}

/** Why a target of another node has no fresh metrics here. */
function explainElsewhere({ origin, target, scrape }: KnownTarget, { cache, clock }: ServerContext): string {
  const now = clock.monotonic();
  const silence = now - (cache.feed(origin)?.newestAt ?? now);
  const age = scrape === undefined ? undefined : ageOf(scrape, now);
  // A scrape as old as the silence of its node is stale because of it.
  if (silence > (age ?? 60) * 500) return silent(origin, silence);
  const { state, reason, scope } = target;
  if (state !== "up") return `on node ${origin}: ${state}${reason === undefined ? "" : `: ${reason}`}`;
  if (age !== undefined) return `node ${origin} has published no new scrape for ${Math.round(age)} s`;
  if (scope === "replicated") return `on node ${origin}: its scrape has not arrived yet`;
  return `on node ${origin}: served by that node only, not replicated (scope ${scope})`;
}

function silent(origin: string, milliseconds: number): string {
  return `nothing received from node ${origin} for ${Math.round(milliseconds / 1000)} s`;
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
