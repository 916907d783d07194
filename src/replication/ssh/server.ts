import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import ssh2 from "ssh2";
import type { ListenAddress } from "../../config/readers.js";
import { codeOf, describeError, ListenError } from "../../errors.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { sshAlgorithms } from "./algorithms.js";
import { authenticate } from "./authentication.js";
import { ConnectionGuard, type ConnectionLimits, defaultConnectionLimits } from "./connection-guard.js";
import { gatherWrites } from "./gather-writes.js";
import { isHostKeyRefusal } from "./host-key-refusal.js";
import type { SharedKeys } from "./keys.js";
import { part } from "./parting.js";
import { PasswordGuard } from "./password-guard.js";
import type { RefusalReason } from "./refusal.js";
import {
  type ConnectionTimings,
  defaultConnectionTimings,
  type SshCommands,
  SshConnection,
} from "./server-connection.js";
import { watchSocket } from "./socket-watch.js";

export interface SshServerOptions {
  readonly listen: ListenAddress;
  readonly keys: SharedKeys;
  /** SSHPASS: what a person at a terminal types. */
  readonly password: string;
  readonly commands: SshCommands;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<ConnectionLimits>;
  readonly timings?: Partial<ConnectionTimings>;
  /** Told for each connection that is refused or cut off, for the metrics. */
  readonly onRefused?: (reason: RefusalReason) => void;
  /** Told the address of each client that does not take this node's host key. */
  readonly onHostKeyRefused?: (address: string) => void;
}

/** A server that listens. */
export interface SshServer {
  /** The port that it got. */
  readonly port: number;
  /** Connections that are open, authenticated or not. */
  readonly connections: number;
  /** Ends all connections. */
  stop(): Promise<void>;
}

/** A peer's own keepalive comes several times within it. */
const silenceMs = 60_000;
/** Bytes that a handshake and a login may take: some 3 kB do. */
const strangerBytes = 64 * 1024;

/**
 * Opens the SSH server: it takes the key that all instances share, or the password, and runs a few fixed commands.
 *
 * @throws ListenError where the address cannot be had.
 */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const { listen, keys, commands, clock, logger, onRefused = () => undefined } = options;
  const guard = new ConnectionGuard({ ...defaultConnectionLimits, ...options.limits }, clock, onRefused);
  const passwords = new PasswordGuard(options.password, clock);
  const timings = { ...defaultConnectionTimings, ...options.timings };
  /** Sockets whose SSH connection has yet to be seen, by remote address and port. */
  const sockets = new Map<string, Socket>();
  const connections = new Map<Socket, SshConnection>();

  const protocol = new ssh2.Server(
    { hostKeys: [keys.host.privateKey], algorithms: sshAlgorithms, ident: "app-metrics-proxy" },
    (client, { ip, port }) => {
      const socket = sockets.get(`${ip} ${port}`);
      if (socket === undefined) return void client.end();
      client.on("error", (error) => {
        failed(socket, ip, error);
        part(socket);
      });
      client.on("rekey", () => {
        if (!guard.isStranger(socket)) return;
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
          gatherWrites(socket);
          socket.setTimeout(silenceMs, () => socket.destroy());
          const known = { client, socket, commands, trusted, clock, logger, timings, onRefused };
          connections.set(socket, new SshConnection(known));
        },
      });
    },
  );
  protocol.on("error", (error: unknown) => logger.debug("SSH", { error: describeError(error) }));

  const failed = (socket: Socket, from: string, error: Error & { code?: unknown }) => {
    logger.debug("an SSH connection failed", { from, error: describeError(error) });
    if (!guard.isStranger(socket) || !isHostKeyRefusal(error)) return;
    guard.refused(socket, "host_key");
    options.onHostKeyRefused?.(from);
  };

  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    socket.on("error", () => undefined);
    const key = `${socket.remoteAddress} ${socket.remotePort}`;
    if (!guard.admit(socket)) return;
    sockets.set(key, socket);
    socket.once("close", () => {
      sockets.delete(key);
      connections.delete(socket);
    });
    (protocol as unknown as { injectSocket(socket: Socket): void }).injectSocket(socket);
    watchSocket({
      socket,
      mayReceive: (bytes) =>
        guard.isStranger(socket)
          ? socket.bytesRead <= strangerBytes
          : connections.get(socket)?.mayReceive(bytes) !== false,
      channels: () => connections.get(socket)?.channels ?? [],
      onExcess: (what) => {
        guard.refused(socket, "limit");
        connections.get(socket)?.cutOff("limit", what);
        socket.destroy();
      },
    });
  });
  await open(server, listen);
  server.on("error", (error) =>
    logger.error("the SSH server is in trouble", { error: describeError(error) }),
  );

  return {
    port: (server.address() as AddressInfo).port,
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

function open(server: NetServer, listen: ListenAddress): Promise<void> {
  const { host, port } = listen;
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const hints: Record<string, string> = {
        EADDRINUSE: "another program listens there already",
        EACCES: "this user may not open that port; set another one",
        EADDRNOTAVAIL: "this machine does not have that address",
        ENOTFOUND: "that host name is not known",
      };
      const hint = hints[codeOf(cause) ?? ""];
      const what = `SSH_LISTEN_ADDRESS ${host ?? ""}:${port} cannot be opened`;
      reject(new ListenError(hint === undefined ? what : `${what}: ${hint}`, { cause }));
    });
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}
