import type { NextFunction, Request, Response } from "express";
import type { Telemetry } from "../telemetry.js";

/** Measures every request under the pattern of its route, not under its path: paths come from outside. */
export function observeRequests({ httpRequestDuration }: Telemetry) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const begun = performance.now();
    response.once("close", () => {
      const route: unknown = request.route?.path;
      const labels = { route: typeof route === "string" ? route : "other", code: response.statusCode };
      httpRequestDuration.observe(labels, (performance.now() - begun) / 1000);
    });
    next();
  };
}
