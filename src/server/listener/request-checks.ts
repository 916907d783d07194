import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Telemetry } from "../../telemetry.js";

/** What Express leaves on a request that a route answered. */
type RoutedRequest = IncomingMessage & { readonly route?: { readonly path?: unknown } };

/**
 * What holds for every request, before Express sees it: as middlewares these few lines would cost half as much as
 * all the rest of an answer from the cache.
 *
 * Only GET and HEAD of a path come through, with one Host at most, as RFC 9112 3.2 asks. Each request is measured
 * under the pattern of its route, not under its path: paths come from outside.
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
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", allowed);
      refuse(response, 405, onlyReading);
      return;
    }
    if (request.url![0] !== "/") request.url = pathOfAbsolute(request.url!);
    if (request.url === undefined) refuse(response, 400, "bad request: a path begins with a slash");
    else if (hasTwoHosts(request.rawHeaders)) refuse(response, 400, "bad request: more than one Host");
    else app(request, response);
  };
}

const allowed = "GET, HEAD";
const onlyReading = "only GET and HEAD";

/** Answers CONNECT, for which Node gives up the connection: it has no time limits any more, and is closed. */
export function refuseTunnel(_request: IncomingMessage, socket: Duplex): void {
  socket.on("error", () => undefined);
  socket.end(
    `HTTP/1.1 405 Method Not Allowed\r\nAllow: ${allowed}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Connection: close\r\nContent-Length: ${onlyReading.length + 1}\r\n\r\n${onlyReading}\n`,
    () => socket.destroy(),
  );
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}

/** The path of a target in absolute form, which every server must take (RFC 9112 3.2.2); undefined where it is none. */
function pathOfAbsolute(target: string): string | undefined {
  const match = /^https?:\/\/[^/?#]+(.*)$/i.exec(target);
  if (match === null) return undefined;
  return match[1]!.startsWith("/") ? match[1] : `/${match[1]}`;
}

function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  return hosts > 1;
}
