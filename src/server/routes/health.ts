import type { IRouter } from "express";
import type { ServerContext } from "../context.js";
import { sendText } from "../responses/send.js";

/**
 * `/-/healthy`: the process is running. `/-/ready`: the first scan and, if there are other nodes, the first
 * exchange with them have finished; else 503 with what is missing.
 */
export function healthRoutes(router: IRouter, { notReady }: ServerContext): void {
  router.get("/-/healthy", (_request, response) => sendText(response, 200, "healthy"));
  router.get("/-/ready", (_request, response) => {
    const missing = notReady();
    if (missing.length === 0) sendText(response, 200, "ready");
    else sendText(response, 503, `not ready: ${missing.join("; ")}`);
  });
}
