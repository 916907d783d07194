import type { IRouter } from "express";
import { findNameClashes } from "../../cache/name-clashes.js";
import type { KnownTarget } from "../../cache/name-index.js";
import { findShadowed } from "../../cache/shadowed-targets.js";
import { maxClockOffset } from "../../model/clock-offset.js";
import type { PublishedTarget } from "../../model/publication.js";
import type { PeerStatus } from "../../model/replication-status.js";
import { ageOf, type Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { ProviderStatus, TargetStatus } from "../../model/target-status.js";
import type { ServerContext } from "../context.js";
import { jsonType, Listings, objectPieces } from "../responses/listings.js";

/** `/targets`: the targets of all nodes, this node's first, its providers, and its peers, as JSON. */
export function targetsRoute(router: IRouter, context: ServerContext): void {
  const listings = new Listings(context.responses);
  router.get("/targets", async (request, response) => {
    const pieces = () => objectPieces(targetsJson(context));
    await listings.send(request, response, { key: "", contentType: jsonType, pieces });
  });
}

/** The fields of `/targets`. Those that grow with the number of targets are generators. */
function targetsJson(context: ServerContext): Readonly<Record<string, unknown>> {
  const { cache, responses } = context;
  const shadows = new Map(findShadowed(cache).map(({ shadowed, served }) => [keyOf(shadowed), served]));
  return {
    node: context.node(),
    version: context.version,
    providers: context.providers().map(({ name, failing }) => ({ name, ...stateJson(failing) })),
    services: servicesJson(context),
    nameClashes: findNameClashes(cache.services()),
    mergeConflicts: responses.omissions(),
    targets: allTargetsJson(context, shadows),
    ...replicationJson(context),
    replicated: allReplicatedJson(context),
  };
}

function* allTargetsJson(context: ServerContext, shadows: Shadows): Generator<object> {
  const { cache, targets } = context;
  for (const status of targets()) yield targetJson(context, status, shadows);
  for (const known of cache.targets()) {
    if (!cache.isOwn(known) || known.target.state === "gone")
      yield publishedTargetJson(context, known, shadows);
  }
}

function* allReplicatedJson(context: ServerContext): Generator<object> {
  for (const known of context.cache.targets()) {
    if (known.scrape !== undefined && !context.cache.isOwn(known))
      yield replicatedJson(context, known.scrape);
  }
}

/** The services with fresh scrapes, by full name. */
function* servicesJson({ cache }: ServerContext): Generator<object> {
  for (const job of [...cache.index.names()].sort()) {
    const names = new Set<string>();
    const replicas: string[] = [];
    for (const scrape of cache.named(job)) {
      if (scrape.job !== job) continue;
      for (const name of scrape.names) names.add(name);
      replicas.push(scrape.replica);
    }
    if (replicas.length > 0) yield { job, names: [...names], replicas };
  }
}

function stateJson(failing: ProviderStatus["failing"]): object {
  return failing === undefined
    ? { ok: true }
    : { ok: false, failingSince: isoTime(failing.since), reason: failing.reason };
}

/** The targets that are served instead of shadowed ones, by the keys of these. */
type Shadows = ReadonlyMap<string, KnownTarget>;

function keyOf({
  origin,
  target,
}: {
  readonly origin: string;
  readonly target: { readonly id: string };
}): string {
  return `${origin}\n${target.id}`;
}

function targetJson(context: ServerContext, status: TargetStatus, shadows: Shadows): object {
  const { cache, node } = context;
  const { target } = status;
  const origin = cache.own ?? node();
  const scrape = cache.own === undefined ? undefined : cache.feed(cache.own)?.scrapes.newestOf(target.id);
  return {
    node: origin,
    provider: target.provider,
    ...metadataJson(target),
    state: status.state,
    reason: status.reason,
    ...shadowJson(shadows.get(keyOf({ origin, target }))),
    problems: target.problems.length === 0 ? undefined : target.problems,
    url: status.url,
    auth: target.fetch.kind === "http" ? target.fetch.auth : undefined,
    lastScrape: isoTime(status.lastScrape),
    lastSuccess: isoTime(status.lastSuccess),
    lastDurationSeconds: status.lastDuration,
    failures: status.failures,
    entry: scrape && entryJson(context, scrape),
  };
}

/** A target of another node, or one that ended, as its node published it, with times by the clock of its node. */
function publishedTargetJson(context: ServerContext, known: KnownTarget, shadows: Shadows): object {
  const { origin, target, scrape } = known;
  const attempts = context.cache.feed(origin)?.scrapes.attemptsOf(target.id) ?? [];
  return {
    node: origin,
    ...metadataJson(target),
    state: target.state,
    reason: target.reason,
    ...shadowJson(shadows.get(keyOf(known))),
    since: isoTime(target.since),
    url: target.url,
    lastScrape: isoTime(attempts.at(-1)?.scrapedAt),
    lastSuccess: isoTime(scrape?.scrapedAt),
    lastDurationSeconds: attempts.at(-1)?.duration,
    entry: scrape && entryJson(context, scrape),
  };
}

/** What replaces state and reason of a shadowed target. */
function shadowJson(served: KnownTarget | undefined): object {
  if (served === undefined) return {};
  const { id, title } = served.target;
  return {
    state: "shadowed",
    reason: `not served: ${title} on node ${served.origin} has the same job and instance`,
    shadowedBy: { node: served.origin, id, title },
  };
}

/** What does not change while a target lives. */
function metadataJson(target: Omit<PublishedTarget, "startedAt" | "state" | "since">): object {
  const { id, title, image, names, job, replica, stack, scope, labels } = target;
  return { id, title, image, names, job, replica, instance: instanceOf(target), stack, scope, labels };
}

function entryJson({ cache, clock }: ServerContext, scrape: Scrape): object {
  return {
    fresh: cache.isFresh(scrape),
    ageSeconds: roundSeconds(ageOf(scrape, clock.monotonic())),
    contentType: scrape.contentType,
    samples: scrape.samples,
    bytes: scrape.size,
    gzipBytes: scrape.gzip.length,
  };
}

/** `replication`, or null and `whyNoReplication`. */
function replicationJson({ cache, replication }: ServerContext): object {
  const view = replication();
  if (view.status === undefined) return { replication: null, whyNoReplication: view.reason };
  const { origin, manager, listFailing, peers, cutOff, sharedNames, origins } = view.status;
  const offsets = cache.clockOffsets();
  return {
    replication: {
      origin,
      manager,
      peerList: stateJson(listFailing),
      peers: peers.map(peerJson),
      cutOff: cutOff.map(({ at, ...rest }) => ({ ...rest, at: isoTime(at) })),
      sharedNames,
      origins: origins.map(({ origin, entries, silentFor, advertise }) => ({
        origin,
        entries,
        silentSeconds: silentFor,
        advertiseAddress: advertise,
        ...clockJson(offsets.get(origin)),
      })),
    },
  };
}

function clockJson(offset: number | undefined): object {
  if (offset === undefined) return {};
  return { clockOffsetSeconds: roundSeconds(offset), timesUsed: Math.abs(offset) <= maxClockOffset };
}

function peerJson({ lastSuccess, lastDuration, ...rest }: PeerStatus): object {
  const lastDurationSeconds = lastDuration === undefined ? undefined : roundSeconds(lastDuration);
  return { ...rest, lastSuccess: isoTime(lastSuccess), lastDurationSeconds };
}

function replicatedJson({ cache, clock }: ServerContext, scrape: Scrape): object {
  return {
    name: scrape.names[0],
    replica: scrape.replica,
    instance: instanceOf(scrape),
    origin: scrape.origin,
    ageSeconds: roundSeconds(ageOf(scrape, clock.monotonic())),
    samples: scrape.samples,
    fresh: cache.isFresh(scrape),
  };
}

/** ISO 8601 in UTC. @param milliseconds since the epoch. */
function isoTime(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString();
}

/** Rounds to milliseconds. */
function roundSeconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
