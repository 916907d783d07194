import express, { type Express, type NextFunction, type Request, type Response } from "express";
import { describeError } from "../errors.js";
import type { ServerContext } from "./context.js";
import { sendText } from "./responses/send.js";
import { UnavailableError } from "./responses/work-queue.js";
import { discoveryRoute } from "./routes/discovery.js";
import { federateRoutes } from "./routes/federate.js";
import { healthRoutes } from "./routes/health.js";
import { indexPageRoute } from "./routes/index-page.js";
import { ownMetricsRoute } from "./routes/own-metrics.js";
import { relayRoute } from "./routes/relay.js";
import { serviceMetricsRoutes } from "./routes/service-metrics.js";
import { targetsRoute } from "./routes/targets.js";

/** The Express app: all routes, and the handling of unknown paths and errors. */
export function createApp(context: ServerContext): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.enable("strict routing");
  app.enable("case sensitive routing");
  // The busiest routes first. Their paths begin with a service name, which cannot be `-`.
  for (const addRoutes of [
    serviceMetricsRoutes,
    federateRoutes,
    relayRoute,
    discoveryRoute,
    ownMetricsRoute,
    targetsRoute,
    healthRoutes,
    indexPageRoute,
  ]) {
    addRoutes(app, context);
  }
  app.use((_request: Request, response: Response) => {
    sendText(response, 404, "not found; see / for available paths");
  });
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    // The client has disconnected, and work for it was stopped.
    if (response.destroyed && error instanceof Error && error.name === "AbortError") return;
    if (error instanceof UnavailableError && !response.headersSent) {
      if (error.retryAfter !== undefined) response.setHeader("Retry-After", error.retryAfter);
      return sendText(response, 503, error.message);
    }
    const status = statusOf(error);
    if (status === 500) {
      context.logger.error("request failed", {
        url: request.url.slice(0, 500),
        error: describeError(error),
      });
    }
    if (response.headersSent) response.destroy();
    else sendText(response, status, status === 500 ? "internal error; see the log" : "bad request");
  });
  return app;
}

/** Express sets a 4xx status on errors that the client caused, such as a path that cannot be decoded. */
function statusOf(error: unknown): number {
  const status = typeof error === "object" && error !== null && "status" in error ? error.status : undefined;
  return typeof status === "number" && status >= 400 && status < 500 ? status : 500;
}
