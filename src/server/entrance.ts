import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Telemetry } from "../telemetry.js";

/** What Express leaves on a request that a route answered. */
type RoutedRequest = IncomingMessage & { readonly route?: { readonly path?: unknown } };

/**
 * What holds for every request, before Express sees it: as middlewares these few lines would cost half as much as
 * all the rest of an answer from the cache.
 *
 * Only GET and HEAD come through. Each request is measured under the pattern of its route, not under its path:
 * paths come from outside.
 */
export function entrance({ httpRequestDuration }: Telemetry, app: RequestListener): RequestListener {
  return (request: RoutedRequest, response: ServerResponse) => {
    const begun = performance.now();
    response.on("close", () => {
      const route = request.route?.path;
      const labels = { route: typeof route === "string" ? route : "other", code: response.statusCode };
      httpRequestDuration.observe(labels, (performance.now() - begun) / 1000);
    });
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (request.method === "GET" || request.method === "HEAD") {
      app(request, response);
      return;
    }
    response.writeHead(405, { Allow: "GET, HEAD", "Content-Type": "text/plain; charset=utf-8" });
    response.end("only GET and HEAD\n");
  };
}
