import type { IRouter } from "express";
import { metricsPathOf } from "../../model/metrics-path.js";
import { type Identity, instanceKeyOf } from "../../model/target.js";
import { hasMetrics, type TargetStatus } from "../../model/target-status.js";
import type { ServerContext } from "../context.js";
import { sendJson, sendText } from "../responses/send.js";

const prefix = "__meta_app_metrics_proxy_";

/** One element of Prometheus' http_sd format. */
export interface HttpSdGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * `/discovery`: one target per replica, for Prometheus' http_sd_configs. The list is complete or else 503, because
 * Prometheus then keeps its last list.
 *
 * A replica is to be scraped at the ADVERTISE_ADDRESS of its node. Without that setting, replicas of this node are
 * listed with the host of the request. So are replicas of a node that published no address, because this node has
 * their metrics, too: then nothing is missed, but the lists of different nodes differ in the address.
 */
export function discoveryRoute(router: IRouter, context: ServerContext): void {
  router.get("/discovery", (request, response) => {
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
      sendJson(response, groupsOf(context, address));
    }
  });
}

/** Each replica once. A replica that this node has a target for is its own, even if another node scraped it last. */
function groupsOf({ cache, node, replication, targets }: ServerContext, address: string): HttpSdGroup[] {
  const own = targets().filter(hasMetrics);
  // The name under which this node publishes, so that all nodes list the same.
  const name = replication().status?.origin ?? node();
  const listed = new Set(own.map(({ target }) => instanceKeyOf(target)));
  const others = cache.fresh().filter((scrape) => !cache.isOwn(scrape) && !listed.has(instanceKeyOf(scrape)));
  return [
    ...own.map((status) => groupOfTarget(status, address, name)),
    ...others.map((scrape) => {
      const advertised = cache.feed(scrape.origin)?.targetsDocument?.publication.advertise;
      // Its target was up a moment ago, and has no further metadata here.
      const labels = { ...commonLabels(scrape, scrape.origin), [`${prefix}state`]: "up" };
      return { targets: [validAddress(advertised) ?? address], labels };
    }),
  ];
}

function groupOfTarget({ target, state }: TargetStatus, address: string, node: string): HttpSdGroup {
  const labels: Record<string, string> = {
    ...commonLabels(target, node),
    [`${prefix}container`]: target.title,
    [`${prefix}image`]: target.image ?? "",
    [`${prefix}state`]: state,
  };
  for (const [name, value] of Object.entries(target.labels)) {
    labels[`${prefix}label_${name.replace(/[^a-zA-Z0-9_]/g, "_")}`] = value;
  }
  return { targets: [address], labels };
}

function commonLabels(identity: Identity, node: string): Record<string, string> {
  const { job, names, replica, stack } = identity;
  return {
    __metrics_path__: metricsPathOf(job, replica),
    [`${prefix}name`]: names[0] ?? job,
    [`${prefix}service`]: job,
    [`${prefix}stack`]: stack ?? "",
    [`${prefix}replica`]: replica,
    [`${prefix}node`]: node,
  };
}

/** The text, if it is a valid target address. */
function validAddress(text = ""): string | undefined {
  return /^[A-Za-z0-9._:[\]-]{1,255}$/.test(text) ? text : undefined;
}
