import { createServer, type Socket } from "node:net";
import ssh2 from "ssh2";
import type { ListenAddress } from "../../config/readers.js";
import { describeError } from "../../errors.js";
import { listen } from "../../listen.js";
import { authenticate, PasswordGuard } from "./authentication.js";
import { type SshError, sshAlgorithms } from "./connection.js";
import { ConnectionGuard } from "./connection-guard.js";
import { batchWrites, endSocket, limitSocket, requireSupportedVersion } from "./flow-control.js";
import type { SharedKeys } from "./keys.js";
import { type SshLimits, sshLimits } from "./limits.js";
import { ServerConnection, type ServerContext } from "./server-connection.js";

export interface SshServerOptions extends Omit<ServerContext, "limits"> {
  readonly listen: ListenAddress;
  readonly keys: SharedKeys;
  /** SSHPASS, the password for people. */
  readonly password: string;
  /** Replaces some of the limits. */
  readonly limits?: Partial<SshLimits>;
  /** Called with the IP address of each client that rejects this node's host key. */
  readonly onHostKeyRefused: (address: string) => void;
}

/** A listening server. */
export interface SshServer {
  readonly port: number;
  /** The number of open connections, authenticated or not. */
  readonly connections: number;
  /** Closes the port and all connections. */
  stop(): Promise<void>;
}

/** Codes of a client that rejects the host key (RFC 4253, section 11.1): ssh2 sends 3, others may send 9. */
const hostKeyRejections: readonly unknown[] = [3, 9];

/**
 * Starts the SSH server. It accepts the key that all instances share, or the password, and runs the given commands.
 *
 * @throws ListenError if it cannot listen on the address, AppError if the installed version of ssh2 is not supported.
 */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  requireSupportedVersion();
  const { keys, clock, logger, onRefused } = options;
  const limits = { ...sshLimits, ...options.limits };
  const context = { ...options, limits };
  const guard = new ConnectionGuard(limits, clock, onRefused);
  const passwords = new PasswordGuard(options.password, clock);
  const config = { hostKeys: [keys.host.privateKey], algorithms: sshAlgorithms, ident: "app-metrics-proxy" };

  const accept = (socket: Socket) => {
    socket.on("error", () => undefined);
    if (!guard.admit(socket)) return;
    let connection: ServerConnection | undefined;
    const onExceeded = (limit: string) => {
      guard.refused(socket, "limit");
      connection?.cutOff("limit", limit);
      socket.destroy();
    };
    // A protocol for each socket, because ssh2 passes no socket with a new client.
    const protocol = new ssh2.Server(config, (client, { ip }) => {
      client.on("error", (error: SshError) => {
        logger.debug("SSH connection failed", { from: ip, error: describeError(error) });
        if (connection === undefined && hostKeyRejections.includes(error.code)) {
          guard.refused(socket, "host_key");
          options.onHostKeyRefused(ip);
        }
        endSocket(socket);
      });
      client.on("rekey", () => {
        if (connection === undefined) onExceeded("key re-exchange before authentication");
      });
      authenticate({
        client,
        socket,
        clientKey: keys.client.publicKey,
        passwords,
        onRefused: (reason) => guard.refused(socket, reason),
        onReady: (trusted) => {
          if (!guard.authenticated(socket, trusted)) return;
          batchWrites(socket);
          socket.setTimeout(limits.silenceMs, () => socket.destroy());
          connection = new ServerConnection(client, socket, trusted, context);
        },
      });
    });
    protocol.injectSocket(socket);
    const mayReceive = (bytes: number) =>
      connection?.mayReceive(bytes) ?? socket.bytesRead <= limits.handshakeBytes;
    limitSocket(socket, mayReceive, onExceeded);
  };
  const server = createServer({ noDelay: true, keepAlive: true }, accept);
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
