import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ListenAddress } from "../config/readers.js";
import { codeOf, describeError, ListenError } from "../errors.js";
import { createApp } from "./app.js";
import type { ServerContext } from "./context.js";
import { entrance } from "./entrance.js";

/** A server that listens. */
export interface HttpServer {
  /** The port that it got. */
  readonly port: number;
  /** Lets requests under way end for a moment, then closes everything. */
  stop(): Promise<void>;
}

const second = 1000;
const graceOnStop = 2 * second;

/**
 * Opens the HTTP server.
 *
 * @throws ListenError where the address cannot be had.
 */
export async function startHttpServer(listen: ListenAddress, context: ServerContext): Promise<HttpServer> {
  const server = createServer(
    {
      maxHeaderSize: 16 * 1024,
      headersTimeout: 10 * second,
      requestTimeout: 30 * second,
      // Longer than the usual scrape interval, so that Prometheus keeps its connection.
      keepAliveTimeout: 75 * second,
      connectionsCheckingInterval: 5 * second,
    },
    entrance(context.telemetry, createApp(context)),
  );
  server.maxConnections = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(listen, error)));
    server.listen(
      { port: listen.port, ...(listen.host === undefined ? {} : { host: listen.host }) },
      resolve,
    );
  });
  server.removeAllListeners("error");
  server.on("error", (error) => {
    context.logger.error("the HTTP server is in trouble", { error: describeError(error) });
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        const force = setTimeout(() => server.closeAllConnections(), graceOnStop);
        server.close(() => {
          clearTimeout(force);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function listenError(listen: ListenAddress, error: Error): ListenError {
  const where = `${listen.host ?? ""}:${listen.port}`;
  const hints: Record<string, string> = {
    EADDRINUSE: "another program listens there already",
    EACCES: "this user may not open that port",
    EADDRNOTAVAIL: "this machine does not have that address",
    ENOTFOUND: "that host name is not known",
  };
  const hint = hints[codeOf(error) ?? ""];
  return new ListenError(`LISTEN_ADDRESS ${where} cannot be opened${hint === undefined ? "" : `: ${hint}`}`, {
    cause: error,
  });
}
