import leven from "leven";
import type { KnownTarget } from "../../cache/name-index.js";
import { ageOf, compareNaturally, type Scrape } from "../../model/scrape.js";
import { type Identity, instanceKeyOf } from "../../model/target.js";
import { hasMetrics, type TargetStatus } from "../../model/target-status.js";
import type { ServerContext } from "../context.js";

/** The maximum number of reasons in one response, which is a single line. */
const maxReasons = 5;
/** Further targets of a name, which may have many, are not examined: their reasons are usually the same. */
const maxExamined = 1000;
const maxListedReplicas = 100;
const maxSimilarNames = 5;
const maxNameLength = 256;
/** Comparing two names takes as many operations as the product of their lengths: in total some milliseconds. */
const maxComparisons = 1_000_000;

/** Why there is nothing to serve: 503 with the reasons for a known name, else 404 with similar names. */
export function explainMissing(
  context: ServerContext,
  name: string,
  replica: string | undefined,
): [status: number, text: string] {
  const { cache } = context;
  const reasons = firstDifferent(reasonsFor(context, name, replica), maxReasons);
  if (reasons.length > 0) return [503, `no fresh metrics for ${quote(name, replica)}: ${reasons.join("; ")}`];
  if (replica !== undefined) {
    const replicas = firstDifferent(replicasOf(context, name), maxListedReplicas);
    const list = replicas.sort(compareNaturally).join(", ");
    if (list !== "") return [404, `unknown replica: ${quote(name, replica)}; known replicas: ${list}`];
  }
  const own = context.targets().flatMap(({ target }) => target.names);
  const similar = similarNames(name, concat(own, cache.index.names()));
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
export function firstUnknown(
  { cache, targets }: ServerContext,
  names: readonly string[],
): string | undefined {
  const own = new Set(targets().flatMap(({ target }) => target.names));
  const isKnown = (name: string) =>
    own.has(name) || cache.index.has(name) || cache.expiredTargets(name).length > 0;
  return names.find((name) => !isKnown(name));
}

/** Why targets with this name have no fresh metrics: those of this node, of other nodes, and of nodes that are silent. */
function* reasonsFor(context: ServerContext, name: string, replica: string | undefined): Generator<string> {
  const { cache, clock } = context;
  const isRequested = (target: Pick<Identity, "replica">) =>
    replica === undefined || target.replica === replica;
  for (const status of context.targets())
    if (status.target.names.includes(name) && isRequested(status.target))
      yield explainTarget(status, clock.now());
  for (const targets of cache.index.replicas(name, replica))
    for (const known of targets) if (!cache.isOwn(known)) yield explainElsewhere(known, context);
  for (const expired of cache.expiredTargets(name))
    if (isRequested(expired)) yield silent(expired.origin, clock.monotonic() - expired.lastPublished);
}

function* replicasOf({ cache, targets }: ServerContext, name: string): Generator<string> {
  for (const { target } of targets()) if (target.names.includes(name)) yield target.replica;
  for (const [known] of cache.index.replicas(name)) yield known!.target.replica;
  for (const { replica } of cache.expiredTargets(name)) yield replica;
}

function* concat<T>(...lists: readonly Iterable<T>[]): Generator<T> {
  for (const list of lists) yield* list;
}

/** The first different texts. */
function firstDifferent(texts: Iterable<string>, count: number): string[] {
  const found = new Set<string>();
  let examined = 0;
  for (const text of texts) {
    found.add(text);
    if (found.size >= count || ++examined >= maxExamined) break;
  }
  return [...found];
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

/**
 * Up to five of the known names that resemble `name`: one contains the other, or a few letters differ. Compares some
 * thousand names at most.
 */
export function similarNames(name: string, known: Iterable<string>): string[] {
  if (name.length > maxNameLength) return [];
  const requested = name.toLowerCase();
  const maxDistance = Math.max(2, Math.floor(requested.length / 3));
  const distances = new Map<string, number>();
  let comparisons = 0;
  for (const candidate of known) {
    comparisons += (requested.length + 1) * (candidate.length + 1);
    if (comparisons > maxComparisons) break;
    const text = candidate.toLowerCase();
    const contained = text.includes(requested) || (text.length > 2 && requested.includes(text));
    const distance = contained ? 0 : leven(requested, text, { maxDistance: maxDistance + 1 });
    if (distance <= maxDistance) distances.set(candidate, distance);
  }
  return [...distances]
    .sort(([a, distanceOfA], [b, distanceOfB]) => distanceOfA - distanceOfB || (a < b ? -1 : 1))
    .slice(0, maxSimilarNames)
    .map(([candidate]) => candidate);
}

/** Quotes a requested name, on one line and cut to a limited length. */
function quote(name: string, replica: string | undefined): string {
  const text = JSON.stringify(name.slice(0, 200));
  return replica === undefined ? text : `${text}, replica ${JSON.stringify(replica.slice(0, 200))}`;
}
