import type { IRouter } from "express";
import { findNameClashes } from "../../cache/name-clashes.js";
import { ageOf, type Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";
import type { ProviderStatus, TargetStatus } from "../../model/target-status.js";
import type { ServerContext } from "../context.js";
import { isoTime, roundSeconds } from "../iso-time.js";
import { replicationJson } from "../replication-json.js";

/**
 * `/targets`: everything that is known of this node's targets and where they come from, and of what other nodes
 * gave, as JSON.
 */
export function targetsRoute(router: IRouter, context: ServerContext): void {
  router.get("/targets", async (_request, response) => {
    const entries = context.cache.fresh();
    response.json({
      node: context.node(),
      version: context.version,
      providers: context.providers().map(providerJson),
      services: servicesJson(entries),
      nameClashes: findNameClashes(entries),
      mergeConflicts: await context.answers.leftOut(),
      targets: context.targets().map((status) => targetJson(context, status)),
      ...replicationJson(context),
    });
  });
}

/** What is served, by full service name. */
function servicesJson(entries: readonly Scrape[]): object[] {
  const services = new Map<string, { names: Set<string>; replicas: string[] }>();
  for (const { job, names, replica } of entries) {
    const service = services.get(job) ?? { names: new Set(), replicas: [] };
    services.set(job, service);
    for (const name of names) service.names.add(name);
    service.replicas.push(replica);
  }
  return [...services].map(([job, { names, replicas }]) => ({ job, names: [...names], replicas }));
}

function providerJson({ name, failing }: ProviderStatus): object {
  return failing === undefined
    ? { name, ok: true }
    : { name, ok: false, failingSince: isoTime(failing.since), reason: failing.reason };
}

function targetJson({ cache, clock }: ServerContext, status: TargetStatus): object {
  const { target } = status;
  const entry = cache.get(target.id);
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
    entry: entry && {
      fresh: cache.isFresh(entry),
      ageSeconds: roundSeconds(ageOf(entry, clock.monotonic())),
      contentType: entry.contentType,
      samples: entry.samples,
      bytes: entry.size,
      gzipBytes: entry.gzip.length,
    },
    labels: target.labels,
  };
}
