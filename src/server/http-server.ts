import { createServer } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import { type Access, openAccess } from "../config/access.js";
import type { ListenAddress } from "../config/readers.js";
import { describeError } from "../errors.js";
import { listen } from "../listen.js";
import { createApp } from "./app.js";
import type { ServerContext } from "./context.js";
import { Connections } from "./listener/connections.js";
import { Guard } from "./listener/guard.js";
import { checkRequests, refuseConnect } from "./listener/request-checks.js";
import { admitClients, requireChangeable, tlsServerOptions } from "./listener/tls.js";

/** A listening server. */
export interface HttpServer {
  /** The port it listens on. */
  readonly port: number;
  /**
   * Replaces certificates, users and limits. Open connections stay open, with the certificates of their handshake.
   *
   * @throws AppError where that needs a restart; then nothing has changed.
   */
  use(access: Access): void;
  /** Waits up to two seconds for current requests, then closes all connections. */
  stop(): Promise<void>;
}

const second = 1000;
const graceOnStop = 2 * second;
/** A connection without a request is closed after this time. */
const idleTimeout = 60 * second;
const options = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10 * second,
  requestTimeout: 30 * second,
  // Longer than the usual scrape interval, so that Prometheus keeps its connection.
  keepAliveTimeout: 75 * second,
  connectionsCheckingInterval: 5 * second,
};

/**
 * Opens the HTTP server.
 *
 * @throws ListenError if the address is not available.
 */
export async function startHttpServer(address: ListenAddress, context: ServerContext): Promise<HttpServer> {
  const guard = new Guard(context);
  const connections = new Connections();
  const listener = connections.inTurn(checkRequests(context.telemetry, guard.protect(createApp(context))));
  let access = context.access ?? openAccess;
  guard.use(access);
  const server =
    access.tls === undefined
      ? createServer(options, listener)
      : createTlsServer({ ...options, ...tlsServerOptions(access.tls) }, listener);
  if (server instanceof TlsServer) admitClients(server, () => access.tls, context.telemetry);
  // Including those in a TLS handshake, which the server does not list.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    context.scheduler.defer();
    socket.once("close", () => sockets.delete(socket));
  });
  server.maxConnections = 10_000;
  server.setTimeout(idleTimeout, (socket) => connections.timedOut(socket));
  server.on("connect", refuseConnect);
  const port = await listen(server, address, "LISTEN_ADDRESS");
  server.on("error", (error) => {
    context.logger.error("HTTP server error", { error: describeError(error) });
  });
  return {
    port,
    use(next) {
      requireChangeable(access.tls, next.tls);
      if (server instanceof TlsServer && next.tls !== undefined) {
        server.setSecureContext(next.tls);
      }
      guard.use(next);
      access = next;
    },
    stop: () =>
      new Promise((resolve) => {
        const force = setTimeout(() => {
          for (const socket of sockets) socket.destroy();
        }, graceOnStop);
        server.close(() => {
          clearTimeout(force);
          guard.stop();
          connections.stop();
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
