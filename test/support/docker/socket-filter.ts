import { chmod } from "node:fs/promises";
import { createServer, request } from "node:http";

/** A read-only socket proxy: between an engine and who may make only some calls. */
export interface SocketFilter {
  /** The calls that were let through, such as `GET /containers/json`. */
  readonly passed: ReadonlySet<string>;
  /** The calls that were not. */
  readonly refused: ReadonlySet<string>;
  close(): Promise<void>;
}

export interface SocketFilterOptions {
  /** The engine's socket. */
  readonly engine: string;
  /** The filter's own, which everybody may use. */
  readonly listen: string;
  /** The calls that are let through; a version before the path does not count. */
  readonly allowed: readonly string[];
}

/** Lets exactly the `allowed` calls through; all others get 403, as from the socket proxies that people use. */
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
    const asked = request({ socketPath: engine, path: url, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      // An event must not wait for the next one.
      outgoing.flushHeaders();
      answer.on("error", () => outgoing.destroy()).pipe(outgoing);
    });
    asked.on("error", () => outgoing.destroy());
    outgoing.on("close", () => asked.destroy());
    asked.end();
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
