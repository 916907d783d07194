import { chmod } from "node:fs/promises";
import { createServer, request } from "node:http";

/** A read-only proxy for the socket of an engine. */
export interface SocketFilter {
  /** The forwarded calls, such as `GET /containers/json`. */
  readonly passed: ReadonlySet<string>;
  /** The rejected calls. */
  readonly refused: ReadonlySet<string>;
  close(): Promise<void>;
}

export interface SocketFilterOptions {
  /** The engine's socket. */
  readonly engine: string;
  /** The socket of the filter, which every user can access. */
  readonly listen: string;
  /** The calls to forward, without the version prefix of the path. */
  readonly allowed: readonly string[];
}

/** Forwards the allowed calls; responds to others with 403, as common socket proxies do. */
export async function startSocketFilter(options: SocketFilterOptions): Promise<SocketFilter> {
  const { engine, listen, allowed } = options;
  const passed = new Set<string>();
  const refused = new Set<string>();
  const server = createServer((incoming, outgoing) => {
    const { url = "/", method = "GET", headers } = incoming;
    const call = `${method} ${new URL(url, "http://engine").pathname.replace(/^\/v[\d.]+/, "")}`;
    if (!allowed.includes(call)) {
      refused.add(call);
      outgoing.writeHead(403).end("Forbidden");
      return;
    }
    passed.add(call);
    const forwarded = request({ socketPath: engine, path: url, method, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      // Send the headers at once: the body of /events starts later.
      outgoing.flushHeaders();
      response.on("error", () => outgoing.destroy()).pipe(outgoing);
    });
    forwarded.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forwarded.destroy());
    forwarded.end();
  });
  await new Promise<void>((resolve) => server.listen(listen, resolve));
  await chmod(listen, 0o666);
  return {
    passed,
    refused,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
