import type { IRouter, Request, Response } from "express";
import { hasMetrics, type TargetStatus } from "../../model/target-status.js";
import type { ServerContext } from "../context.js";
import { sendText } from "../send.js";

const prefix = "__meta_app_metrics_proxy_";

/** One element of Prometheus' http_sd. */
export interface HttpSdGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * `/discovery`: one target a replica, for Prometheus' http_sd_configs. The list is whole or, with 503, not there
 * at all, as Prometheus then keeps the one that it has.
 */
export function discoveryRoute(router: IRouter, context: ServerContext): void {
  router.get("/discovery", (request: Request, response: Response) => {
    const failing = context.providers().find((provider) => provider.failing !== undefined);
    const address = context.advertiseAddress ?? hostOf(request);
    if (!context.ready()) {
      sendText(response, 503, "not ready: the first scan is not done yet");
    } else if (failing !== undefined) {
      sendText(
        response,
        503,
        `the list of targets cannot be had: ${failing.name}: ${failing.failing?.reason}`,
      );
    } else if (address === undefined) {
      sendText(response, 400, "no address to give out: set ADVERTISE_ADDRESS, or send a Host header");
    } else {
      const groups = context
        .targets()
        .filter(hasMetrics)
        .map((status) => groupOf(status, address, context.node()));
      response.setHeader("Content-Type", "application/json; charset=utf-8");
      response.end(JSON.stringify(groups));
    }
  });
}

function groupOf({ target, state }: TargetStatus, address: string, node: string): HttpSdGroup {
  const labels: Record<string, string> = {
    __metrics_path__: `/${encodeURIComponent(target.job)}/${encodeURIComponent(target.replica)}/metrics`,
    [`${prefix}name`]: target.names[0] ?? target.job,
    [`${prefix}service`]: target.job,
    [`${prefix}stack`]: target.stack ?? "",
    [`${prefix}replica`]: target.replica,
    [`${prefix}node`]: node,
    [`${prefix}container`]: target.title,
    [`${prefix}image`]: target.image ?? "",
    [`${prefix}state`]: state,
  };
  for (const [name, value] of Object.entries(target.labels)) {
    labels[`${prefix}label_${name.replace(/[^a-zA-Z0-9_]/g, "_")}`] = value;
  }
  return { targets: [address], labels };
}

/** The host that the request was sent to, if it is one that Prometheus can be told. */
function hostOf(request: Request): string | undefined {
  const host = request.headers.host;
  return host !== undefined && /^[A-Za-z0-9._:[\]-]{1,255}$/.test(host) ? host : undefined;
}
