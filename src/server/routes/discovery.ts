import type { IRouter, Request, Response } from "express";
import { metricsPathOf } from "../../model/metrics-path.js";
import type { Scrape } from "../../model/scrape.js";
import { type Identity, instanceKeyOf } from "../../model/target.js";
import { hasMetrics, type TargetStatus } from "../../model/target-status.js";
import type { ServerContext } from "../context.js";
import { sendText } from "../responses/send.js";

const prefix = "__meta_app_metrics_proxy_";

/** One element of Prometheus' http_sd. */
export interface HttpSdGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * `/discovery`: one target a replica, for Prometheus' http_sd_configs. The list is whole or, with 503, not there
 * at all, as Prometheus then keeps the one that it has.
 *
 * A replica is to be scraped at the node that scrapes it: at that node's ADVERTISE_ADDRESS. This node's own, without
 * that setting, at the host that the request was sent to; that of a node that has told no address through this node,
 * which holds its metrics too: so nothing is lost, though lists of several nodes then name it under several addresses.
 */
export function discoveryRoute(router: IRouter, context: ServerContext): void {
  router.get("/discovery", (request: Request, response: Response) => {
    const failing = context.providers().find((provider) => provider.failing !== undefined);
    const address = context.advertiseAddress ?? hostOf(request);
    const missing = context.notReady();
    if (missing.length > 0) {
      sendText(response, 503, `not ready: ${missing.join("; ")}`);
    } else if (failing !== undefined) {
      sendText(
        response,
        503,
        `the list of targets cannot be had: ${failing.name}: ${failing.failing?.reason}`,
      );
    } else if (address === undefined) {
      sendText(response, 400, "no address to give out: set ADVERTISE_ADDRESS, or send a Host header");
    } else {
      response.setHeader("Content-Type", "application/json; charset=utf-8");
      response.end(JSON.stringify(groupsOf(context, address)));
    }
  });
}

/** Each replica once: what this node has a target for is its own, whoever scraped it last. */
function groupsOf({ cache, node, targets }: ServerContext, address: string): HttpSdGroup[] {
  const own = targets().filter(hasMetrics);
  // As the other nodes call it, so that their lists say the same.
  const name = cache.holdings.own ?? node();
  const listed = new Set(own.map(({ target }) => instanceKeyOf(target)));
  const others = cache.fresh().filter((entry) => !cache.isOwn(entry) && !listed.has(instanceKeyOf(entry)));
  return [
    ...own.map((status) => groupOfTarget(status, address, name)),
    ...others.map((entry) => {
      const told = cache.holdings.get(entry.origin)?.advertise;
      return groupOfEntry(entry, told !== undefined && isAddress(told) ? told : address);
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

/** Of another node's target no more is known than what its entry says; a fresh one was up a moment ago. */
function groupOfEntry(entry: Scrape, address: string): HttpSdGroup {
  return { targets: [address], labels: { ...commonLabels(entry, entry.origin), [`${prefix}state`]: "up" } };
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

/** The host that the request was sent to, if it is one that Prometheus can be told. */
function hostOf(request: Request): string | undefined {
  const host = request.headers.host;
  return host !== undefined && isAddress(host) ? host : undefined;
}

function isAddress(text: string): boolean {
  return /^[A-Za-z0-9._:[\]-]{1,255}$/.test(text);
}
