import type { IRouter } from "express";
import { findNameClashes } from "../../cache/name-clashes.js";
import { clockOffsets, clockTolerance } from "../../model/clock-offset.js";
import type { PeerStatus } from "../../model/replication-status.js";
import { ageOf, type Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { ProviderStatus, TargetStatus } from "../../model/target-status.js";
import type { ServerContext } from "../context.js";

/** `/targets`: the targets of this node, their providers, and the scrapes and peers of the other nodes, as JSON. */
export function targetsRoute(router: IRouter, context: ServerContext): void {
  const { cache, responses } = context;
  router.get("/targets", (_request, response) => {
    const fresh = cache.fresh();
    const others = cache.others();
    response.json({
      node: context.node(),
      version: context.version,
      providers: context.providers().map(providerJson),
      services: servicesJson(fresh),
      nameClashes: findNameClashes(fresh),
      mergeConflicts: responses.omissions(),
      targets: context.targets().map((status) => targetJson(context, status)),
      ...replicationJson(context, others),
      replicated: others.map((scrape) => replicatedJson(context, scrape)),
    });
  });
}

/** The services with fresh scrapes, by full name. */
function servicesJson(scrapes: readonly Scrape[]): object[] {
  const services = new Map<string, { names: Set<string>; replicas: string[] }>();
  for (const { job, names, replica } of scrapes) {
    const service = services.get(job) ?? { names: new Set(), replicas: [] };
    services.set(job, service);
    for (const name of names) service.names.add(name);
    service.replicas.push(replica);
  }
  return [...services].map(([job, { names, replicas }]) => ({ job, names: [...names], replicas }));
}

function providerJson({ name, failing }: ProviderStatus): object {
  return { name, ...stateJson(failing) };
}

function stateJson(failing: ProviderStatus["failing"]): object {
  return failing === undefined
    ? { ok: true }
    : { ok: false, failingSince: isoTime(failing.since), reason: failing.reason };
}

function targetJson({ cache, clock }: ServerContext, status: TargetStatus): object {
  const { target } = status;
  const scrape = cache.get(target.id);
  return {
    id: target.id,
    provider: target.provider,
    title: target.title,
    image: target.image,
    names: target.names,
    job: target.job,
    replica: target.replica,
    instance: instanceOf(target),
    stack: target.stack,
    scope: target.scope,
    state: status.state,
    reason: status.reason,
    problems: target.problems.length === 0 ? undefined : target.problems,
    url: status.url,
    auth: target.fetch.kind === "http" ? target.fetch.auth : undefined,
    lastScrape: isoTime(status.lastScrape),
    lastSuccess: isoTime(status.lastSuccess),
    lastDurationSeconds: status.lastDuration,
    failures: status.failures,
    entry: scrape && {
      fresh: cache.isFresh(scrape),
      ageSeconds: roundSeconds(ageOf(scrape, clock.monotonic())),
      contentType: scrape.contentType,
      samples: scrape.samples,
      bytes: scrape.size,
      gzipBytes: scrape.gzip.length,
    },
    labels: target.labels,
  };
}

/** `replication`, or null and `whyNoReplication`. */
function replicationJson({ clock, replication }: ServerContext, others: readonly Scrape[]): object {
  const view = replication();
  if (view.status === undefined) return { replication: null, whyNoReplication: view.reason };
  const { origin, manager, listFailing, peers, cutOff, sharedNames, origins } = view.status;
  const offsets = clockOffsets(others, clock);
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
  return { clockOffsetSeconds: roundSeconds(offset), timesUsed: Math.abs(offset) <= clockTolerance };
}

function peerJson(peer: PeerStatus): object {
  return {
    title: peer.title,
    address: peer.address,
    node: peer.node,
    state: peer.state,
    lastSuccess: isoTime(peer.lastSuccess),
    lastDurationSeconds: peer.lastDuration === undefined ? undefined : roundSeconds(peer.lastDuration),
    failures: peer.failures,
    lastError: peer.lastError,
    lastReason: peer.lastReason,
    bytesIn: peer.bytesIn,
    bytesOut: peer.bytesOut,
  };
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
