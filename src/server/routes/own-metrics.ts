import type { IRouter } from "express";
import type { ServerContext } from "../context.js";

/** `/metrics`: the metrics of the proxy itself. */
export function ownMetricsRoute(router: IRouter, { telemetry }: ServerContext): void {
  router.get("/metrics", async (_request, response) => {
    const { text, contentType } = await telemetry.expose();
    response.setHeader("Content-Type", contentType);
    response.end(text);
  });
}
