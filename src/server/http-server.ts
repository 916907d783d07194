import { createServer } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { type Access, openAccess } from "../config/access.js";
import type { ListenAddress } from "../config/readers.js";
import { codeOf, describeError, ListenError } from "../errors.js";
import { createApp } from "./app.js";
import type { ServerContext } from "./context.js";
import { Connections } from "./listener/connections.js";
import { Guard } from "./listener/guard.js";
import { entrance, refuseTunnel } from "./listener/request-checks.js";
import { admitClients, requireChangeable, secureContextOptions, tlsServerOptions } from "./listener/tls.js";

/** A server that listens. */
export interface HttpServer {
  /** The port that it got. */
  readonly port: number;
  /**
   * Takes other certificates, users and limits. Connections stay open; what was agreed upon in their handshake stays.
   *
   * @throws AppError where that is not possible while the server runs; then nothing has changed.
   */
  use(access: Access): void;
  /** Lets requests under way end for a moment, then closes everything. */
  stop(): Promise<void>;
}

const second = 1000;
const graceOnStop = 2 * second;
/** A client that takes nothing of its answer for so long is gone, or means no good. */
const unreadTimeout = 60 * second;
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
 * @throws ListenError where the address cannot be had.
 */
export async function startHttpServer(listen: ListenAddress, context: ServerContext): Promise<HttpServer> {
  const guard = new Guard(context);
  const connections = new Connections();
  const listener = connections.inTurn(entrance(context.telemetry, guard.protect(createApp(context))));
  let access = context.access ?? openAccess;
  guard.use(access);
  const server =
    access.tls === undefined
      ? createServer(options, listener)
      : createTlsServer({ ...options, ...tlsServerOptions(access.tls) }, listener);
  if (server instanceof TlsServer) admitClients(server, () => access.tls, context.telemetry);
  // Those in a TLS handshake, too, of which the server itself keeps no list.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.maxConnections = 10_000;
  server.setTimeout(unreadTimeout, (socket) => connections.timedOut(socket));
  server.on("connect", refuseTunnel);
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
    use(next) {
      requireChangeable(access.tls, next.tls);
      if (server instanceof TlsServer && next.tls !== undefined) {
        server.setSecureContext(secureContextOptions(next.tls));
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
