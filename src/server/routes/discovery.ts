import type { IRouter } from "express";
import { metricsPathOf } from "../../model/metrics-path.js";
import type { PublishedTarget } from "../../model/publication.js";
import type { ServiceLabels } from "../../model/service-labels.js";
import { type Identity, instanceKeyOf } from "../../model/target.js";
import { hasMetrics } from "../../model/target-status.js";
import type { ServerContext } from "../context.js";
import { arrayPieces, jsonType, Listings } from "../responses/listings.js";
import { sendText } from "../responses/send.js";

const prefix = "__meta_app_metrics_proxy_";
const swarmPrefix = "__meta_dockerswarm_";

/** One element of Prometheus' http_sd format. */
export interface HttpSdGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * `/discovery`: one target per replica, for Prometheus' http_sd_configs. The list is complete or else 503, because
 * Prometheus then keeps its last list.
 *
 * Each replica is scraped at the node that scrapes it: at its ADVERTISE_ADDRESS, or else at the host of the request.
 * Replicas of other nodes are listed only if their node has published an ADVERTISE_ADDRESS. So the lists of all nodes
 * together contain each replica at one address, and Prometheus scrapes it once.
 */
export function discoveryRoute(router: IRouter, context: ServerContext): void {
  const listings = new Listings(context.responses);
  router.get("/discovery", async (request, response) => {
    const failing = context.providers().find((provider) => provider.failing !== undefined);
    const address = context.advertiseAddress ?? validAddress(request.headers.host);
    const missing = context.notReady();
    if (missing.length > 0) {
      sendText(response, 503, `not ready: ${missing.join("; ")}`);
    } else if (failing !== undefined) {
      sendText(response, 503, `target list unavailable: ${failing.name}: ${failing.failing?.reason}`);
    } else if (address === undefined) {
      sendText(response, 400, "no address to list: set ADVERTISE_ADDRESS or send a Host header");
    } else {
      await listings.send(request, response, {
        key: address,
        contentType: jsonType,
        pieces: () => arrayPieces(groupsOf(context, address)),
      });
    }
  });
}

/** A target as its own node, or another one, lists it. */
type ListedTarget = Pick<PublishedTarget, "id" | "title" | "image" | "labels"> & Identity;

/** Each replica once. A replica that this node has a target for is its own, even if another node lists it, too. */
function* groupsOf(
  { cache, node, replication, targets }: ServerContext,
  address: string,
): Generator<HttpSdGroup> {
  const services = new Map((cache.swarm?.services ?? []).map((service) => [service.id, service.labels]));
  // The name under which this node publishes, so that all nodes list the same.
  const name = replication().status?.origin ?? node();
  const listed = new Set<string>();
  for (const { target, state } of targets().filter(hasMetrics)) {
    listed.add(instanceKeyOf(target));
    yield groupOf(target, state, name, address, services);
  }
  /** The node whose scrape is served, by replica. */
  const serving = new Map<string, string | undefined>();
  for (const { origin, target } of cache.targets()) {
    const advertised = validAddress(cache.feed(origin)?.targetsDocument?.publication.advertise);
    const key = instanceKeyOf(target);
    if (advertised === undefined || cache.isOwn({ origin }) || !hasMetrics(target) || listed.has(key))
      continue;
    // After a move, two nodes may list the replica.
    if (!serving.has(key)) {
      const { job, replica } = target;
      serving.set(key, cache.named(job, replica).find((scrape) => scrape.job === job)?.origin);
    }
    if ((serving.get(key) ?? origin) !== origin) continue;
    listed.add(key);
    yield groupOf(target, target.state, origin, advertised, services);
  }
}

function groupOf(
  target: ListedTarget,
  state: string,
  node: string,
  address: string,
  services: ServiceLabels,
): HttpSdGroup {
  const { job, labels, names, replica, stack } = target;
  return {
    targets: [address],
    labels: {
      __metrics_path__: metricsPathOf(job, replica),
      // After a move, only the new node has samples.
      __param_own: "1",
      [`${prefix}name`]: names[0] ?? job,
      [`${prefix}service`]: job,
      [`${prefix}stack`]: stack ?? "",
      [`${prefix}replica`]: replica,
      [`${prefix}node`]: node,
      [`${prefix}container`]: target.title,
      [`${prefix}image`]: target.image ?? "",
      [`${prefix}state`]: state,
      ...labelled(`${prefix}label_`, labels),
      ...swarmLabels(target, node, services),
    },
  };
}

/**
 * The labels of a Swarm task as in the role `tasks` of Prometheus' dockerswarm_sd_configs, so that relabelling rules for
 * it can be kept. Those of networks and published ports are missing, because Prometheus scrapes the proxy instead.
 */
function swarmLabels(
  { id, labels, replica, scope }: ListedTarget,
  node: string,
  services: ServiceLabels,
): Record<string, string> {
  const label = (name: string) => labels[`com.docker.swarm.${name}`] ?? "";
  if (label("service.name") === "") return {};
  return {
    [`${swarmPrefix}service_id`]: label("service.id"),
    [`${swarmPrefix}service_name`]: label("service.name"),
    [`${swarmPrefix}service_mode`]: scope,
    [`${swarmPrefix}task_id`]: label("task.id"),
    [`${swarmPrefix}task_slot`]: scope === "replicated" ? replica : "0",
    [`${swarmPrefix}task_container_id`]: id.replace(/^docker:/, ""),
    // Only running containers are targets.
    [`${swarmPrefix}task_state`]: "running",
    [`${swarmPrefix}task_desired_state`]: "running",
    [`${swarmPrefix}node_id`]: label("node.id"),
    [`${swarmPrefix}node_hostname`]: node,
    ...labelled(`${swarmPrefix}service_label_`, services.get(label("service.id")) ?? {}),
    ...labelled(`${swarmPrefix}container_label_`, labels),
  };
}

/** Labels with names that Prometheus allows. */
function labelled(start: string, labels: Readonly<Record<string, string>>): Record<string, string> {
  const renamed: Record<string, string> = {};
  for (const [name, value] of Object.entries(labels)) {
    renamed[start + name.replace(/[^a-zA-Z0-9_]/g, "_")] = value;
  }
  return renamed;
}

/** The text, if it is a valid target address. */
function validAddress(text = ""): string | undefined {
  return /^[A-Za-z0-9._:[\]-]{1,255}$/.test(text) ? text : undefined;
}
