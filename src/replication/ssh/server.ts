import { createServer, type Socket } from "node:net";
import ssh2 from "ssh2";
import type { ListenAddress } from "../../config/readers.js";
import { describeError } from "../../errors.js";
import { listen } from "../../listen.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { authenticate } from "./authentication.js";
import { maxUnauthenticatedBytes, sshAlgorithms } from "./connection.js";
import { ConnectionGuard, type ConnectionLimits, defaultConnectionLimits } from "./connection-guard.js";
import { isHostKeyRejection, type RefusalReason } from "./failures.js";
import { batchWrites } from "./flow-control.js";
import type { SharedKeys } from "./keys.js";
import { PasswordGuard } from "./password-guard.js";
import {
  type ConnectionTimings,
  defaultConnectionTimings,
  ServerConnection,
  type SshCommands,
} from "./server-connection.js";
import { endSocket, limitSocket } from "./socket-limits.js";
import { injectSocket, requireSupportedVersion } from "./ssh2-internals.js";

export interface SshServerOptions {
  readonly listen: ListenAddress;
  readonly keys: SharedKeys;
  /** SSHPASS, the password for people. */
  readonly password: string;
  readonly commands: SshCommands;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<ConnectionLimits>;
  readonly timings?: Partial<ConnectionTimings>;
  /** Called for each refused connection or request, for the metrics. */
  readonly onRefused?: (reason: RefusalReason) => void;
  /** Called with the IP address of each client that rejects this node's host key. */
  readonly onHostKeyRefused?: (address: string) => void;
}

/** A listening server. */
export interface SshServer {
  readonly port: number;
  /** The number of open connections, authenticated or not. */
  readonly connections: number;
  /** Closes the port and all connections. */
  stop(): Promise<void>;
}

/** Milliseconds without traffic until a connection is closed. A peer sends several keepalives within this time. */
const silenceMs = 60_000;

/**
 * Starts the SSH server. It accepts the key that all instances share, or the password, and runs the given commands.
 *
 * @throws ListenError if it cannot listen on the address.
 * @throws AppError if the installed version of ssh2 is not supported.
 */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  requireSupportedVersion();
  const { keys, commands, clock, logger, onRefused = () => undefined } = options;
  const guard = new ConnectionGuard({ ...defaultConnectionLimits, ...options.limits }, clock, onRefused);
  const passwords = new PasswordGuard(options.password, clock);
  const timings = { ...defaultConnectionTimings, ...options.timings };
  /** ssh2 passes no socket with a new connection: sockets by remote address and port. */
  const sockets = new Map<string, Socket>();
  const connections = new Map<Socket, ServerConnection>();

  const protocol = new ssh2.Server(
    { hostKeys: [keys.host.privateKey], algorithms: sshAlgorithms, ident: "app-metrics-proxy" },
    (client, { ip, port }) => {
      const socket = sockets.get(`${ip} ${port}`);
      if (socket === undefined) return void client.end();
      client.on("error", (error) => {
        logger.debug("SSH connection failed", { from: ip, error: describeError(error) });
        if (guard.isUnauthenticated(socket) && isHostKeyRejection(error)) {
          guard.refused(socket, "host_key");
          options.onHostKeyRefused?.(ip);
        }
        endSocket(socket);
      });
      client.on("rekey", () => {
        if (!guard.isUnauthenticated(socket)) return;
        guard.refused(socket, "limit");
        socket.destroy();
      });
      authenticate({
        client,
        socket,
        address: ip,
        clientKey: keys.client.publicKey,
        passwords,
        onRefused: (reason) => guard.refused(socket, reason),
        onReady: (trusted) => {
          if (!guard.authenticated(socket, trusted)) return;
          batchWrites(socket);
          socket.setTimeout(silenceMs, () => socket.destroy());
          const established = { client, socket, commands, trusted, clock, logger, timings, onRefused };
          connections.set(socket, new ServerConnection(established));
        },
      });
    },
  );
  protocol.on("error", (error: unknown) => logger.debug("SSH error", { error: describeError(error) }));

  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    socket.on("error", () => undefined);
    const key = `${socket.remoteAddress} ${socket.remotePort}`;
    if (!guard.admit(socket)) return;
    sockets.set(key, socket);
    socket.once("close", () => {
      sockets.delete(key);
      connections.delete(socket);
    });
    injectSocket(protocol, socket);
    limitSocket({
      socket,
      mayReceive: (bytes) =>
        guard.isUnauthenticated(socket)
          ? socket.bytesRead <= maxUnauthenticatedBytes
          : connections.get(socket)?.mayReceive(bytes) !== false,
      channels: () => connections.get(socket)?.channels ?? [],
      onExceeded: (limit) => {
        guard.refused(socket, "limit");
        connections.get(socket)?.cutOff("limit", limit);
        socket.destroy();
      },
    });
  });
  const port = await listen(server, options.listen, "SSH_LISTEN_ADDRESS");
  server.on("error", (error) => logger.error("SSH server error", { error: describeError(error) }));

  return {
    port,
    get connections() {
      return guard.sockets.length;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of guard.sockets) socket.destroy();
      }),
  };
}
