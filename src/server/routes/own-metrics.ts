import { Router } from "express";
import type { ServerContext } from "../context.js";

/** `/metrics`: the proxy's own metrics. */
export function ownMetricsRoute({ telemetry }: ServerContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.get("/metrics", async (_request, response) => {
    const { text, contentType } = await telemetry.expose();
    response.setHeader("Content-Type", contentType);
    response.end(text);
  });
  return router;
}
