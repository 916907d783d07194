import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Telemetry } from "../../telemetry.js";
import { sendText } from "../responses/send.js";

/** Express sets `route` on a request that a route has handled. */
type RoutedRequest = IncomingMessage & { readonly route?: { readonly path?: unknown } };

const allowedMethods = "GET, HEAD";
const methodNotAllowed = "method not allowed: use GET or HEAD";

/**
 * Checks and measures every request before Express handles it. As Express middleware, these lines would cost half as
 * much as serving a response from the cache.
 *
 * Passes GET and HEAD requests for a path, with at most one Host header (RFC 9112 3.2) and a known end. Durations are
 * labelled with the route's pattern instead of the path, because clients choose paths.
 */
export function checkRequests({ httpRequestDuration }: Telemetry, app: RequestListener): RequestListener {
  return (request: RoutedRequest, response: ServerResponse) => {
    const begun = performance.now();
    response.on("close", () => {
      const route = request.route?.path;
      const labels = { route: typeof route === "string" ? route : "other", code: response.statusCode };
      httpRequestDuration.observe(labels, (performance.now() - begun) / 1000);
    });
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (hasUnknownEnd(request)) {
      response.setHeader("Connection", "close");
      return sendText(response, 400, "bad request: unsupported Transfer-Encoding");
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", allowedMethods);
      sendText(response, 405, methodNotAllowed);
      return;
    }
    if (request.url![0] !== "/") request.url = pathOfAbsolute(request.url!);
    if (request.url === undefined) sendText(response, 400, "bad request: the path must begin with a slash");
    else if (hasTwoHosts(request.rawHeaders)) sendText(response, 400, "bad request: several Host headers");
    else app(request, response);
  };
}

/** Refuses CONNECT. Node applies no timeout to such a connection, so it is closed. */
export function refuseConnect(_request: IncomingMessage, socket: Duplex): void {
  socket.on("error", () => undefined);
  socket.end(
    `HTTP/1.1 405 Method Not Allowed\r\nAllow: ${allowedMethods}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Connection: close\r\nContent-Length: ${methodNotAllowed.length + 1}\r\n\r\n${methodNotAllowed}\n`,
    () => socket.destroy(),
  );
}

/** The path of a request target in absolute form, which servers must accept (RFC 9112 3.2.2); undefined if invalid. */
function pathOfAbsolute(target: string): string | undefined {
  const match = /^https?:\/\/[^/?#]+(.*)$/i.exec(target);
  if (match === null) return undefined;
  return match[1]!.startsWith("/") ? match[1] : `/${match[1]}`;
}

/**
 * Whether the end of a request is uncertain, so that nothing after it can be read (RFC 9112 6.1 and 6.3). Node's parser
 * does not reject unknown codings.
 */
function hasUnknownEnd({ headers, httpVersion }: IncomingMessage): boolean {
  const coding = headers["transfer-encoding"];
  return coding !== undefined && (coding.toLowerCase() !== "chunked" || httpVersion === "1.0");
}

function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  return rawHeaders.filter((text, index) => index % 2 === 0 && /^host$/i.test(text)).length > 1;
}
