import { timingSafeEqual } from "node:crypto";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import ssh2 from "ssh2";
import type { ListenAddress } from "../config/readers.js";
import { codeOf, describeError, ListenError } from "../errors.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import { ConnectionGuard, type ConnectionLimits, defaultConnectionLimits } from "./connection-guard.js";
import { gatherWrites } from "./gather-writes.js";
import type { SharedKeys } from "./keys.js";
import { PasswordGuard } from "./password-guard.js";
import { sshAlgorithms } from "./ssh-algorithms.js";
import { type SshCommands, SshConnection } from "./ssh-connection.js";

export interface SshServerOptions {
  readonly listen: ListenAddress;
  readonly keys: SharedKeys;
  /** SSHPASS: what a person at a terminal types. */
  readonly password: string;
  readonly commands: SshCommands;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<ConnectionLimits>;
  /** Told for each connection that is refused or cut off, for the metrics. */
  readonly onRefused?: (reason: RefusalReason) => void;
}

/** `connections`: too many; `handshake`: it broke off before it had shown who it is; `key`, `password`: wrong. */
export type RefusalReason = "connections" | "handshake" | "key" | "password";

/** A server that listens. */
export interface SshServer {
  /** The port that it got. */
  readonly port: number;
  /** Connections that are open, authenticated or not. */
  readonly connections: number;
  /** Ends all connections. */
  stop(): Promise<void>;
}

const attemptsPerConnection = 3;
const failureDelayMs = 300;
/** A peer's own keepalive comes several times within it. */
const silenceMs = 60_000;

/**
 * Opens the SSH server: it takes the key that all instances share, or the password, and runs a few fixed commands.
 *
 * @throws ListenError where the address cannot be had.
 */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const { listen, keys, commands, clock, logger, onRefused = () => undefined } = options;
  const guard = new ConnectionGuard({ ...defaultConnectionLimits, ...options.limits });
  const passwords = new PasswordGuard(options.password, clock);
  /** Sockets whose SSH connection has yet to be seen, by remote address and port. */
  const sockets = new Map<string, Socket>();

  const protocol = new ssh2.Server(
    { hostKeys: [keys.host.privateKey], algorithms: sshAlgorithms, ident: "app-metrics-proxy" },
    (client, { ip, port }) => {
      const socket = sockets.get(`${ip} ${port}`);
      client.on("error", (error) =>
        logger.debug("an SSH connection failed", { from: ip, error: describeError(error) }),
      );
      if (socket === undefined) return void client.end();
      authenticate(client, socket, ip);
    },
  );
  protocol.on("error", (error: unknown) => logger.debug("SSH", { error: describeError(error) }));

  const authenticate = (client: ssh2.Connection, socket: Socket, address: string) => {
    let attempts = 0;
    let trusted = false;
    const refuse = (context: ssh2.AuthContext, reason: RefusalReason) => {
      onRefused(reason);
      attempts++;
      setTimeout(() => {
        if (attempts < attemptsPerConnection) context.reject(["publickey", "password"]);
        else client.end();
      }, failureDelayMs).unref();
    };
    client.on("authentication", (context) => {
      if (attempts >= attemptsPerConnection) return;
      if (context.method === "publickey") {
        if (!isKey(context, keys.client.publicKey)) return refuse(context, "key");
        trusted = context.signature !== undefined;
        context.accept();
      } else if (context.method === "password") {
        if (passwords.accepts(context.password, address)) context.accept();
        else refuse(context, "password");
      } else {
        // `none` is how a client asks what there is.
        context.reject(["publickey", "password"]);
      }
    });
    client.on("ready", () => {
      if (!guard.authenticated(socket)) return onRefused("connections");
      socket.setTimeout(silenceMs, () => socket.destroy());
      new SshConnection({ client, commands, trusted, clock, logger });
    });
    socket.once("close", () => {
      if (!(client as { authenticated?: boolean }).authenticated && attempts === 0) onRefused("handshake");
    });
  };

  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    socket.on("error", () => undefined);
    const key = `${socket.remoteAddress} ${socket.remotePort}`;
    if (!guard.admit(socket)) return onRefused("connections");
    gatherWrites(socket);
    sockets.set(key, socket);
    socket.once("close", () => sockets.delete(key));
    (protocol as unknown as { injectSocket(socket: Socket): void }).injectSocket(socket);
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

/** Whether a client shows the shared key; where it also signs, whether the signature is the key's. */
function isKey(context: ssh2.PublicKeyAuthContext, expected: Buffer): boolean {
  const { key, signature, blob, hashAlgo } = context;
  if (key.algo !== "ssh-ed25519" || key.data.length !== expected.length) return false;
  if (!timingSafeEqual(key.data, expected)) return false;
  if (signature === undefined) return true;
  const parsed = ssh2.utils.parseKey(expected);
  return (
    !(parsed instanceof Error) && blob !== undefined && parsed.verify(blob, signature, hashAlgo) === true
  );
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
