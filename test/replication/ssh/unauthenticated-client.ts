import { generateKeyPairSync } from "node:crypto";
import { connect, type Socket } from "node:net";
import ssh2 from "ssh2";
import { onTestFinished } from "vitest";
import { sshAlgorithms } from "../../../src/replication/ssh/connection.js";

/** A TCP connection to an SSH port, destroyed when the test ends. */
export function dial({ server }: { readonly server: { readonly port: number } }): Socket & {
  readonly received: Buffer[];
} {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  const received: Buffer[] = [];
  socket.on("data", (chunk) => received.push(chunk));
  onTestFinished(() => void socket.destroy());
  return Object.assign(socket, { received });
}

/** Resolves when a socket is closed. */
export const closed = (socket: Socket) =>
  socket.closed ? Promise.resolve() : new Promise<void>((resolve) => socket.once("close", () => resolve()));

/** Tries to log in. Resolves with `ready`, `closed` or the error message. */
export function logIn(port: number, settings: ssh2.ConnectConfig): Promise<string> {
  return new Promise((resolve) => {
    const client = new ssh2.Client();
    client.on("ready", () => {
      resolve("ready");
      client.end();
    });
    client.on("error", (error) => resolve(error.message));
    client.on("close", () => resolve("closed"));
    connectTo(port, client, settings);
  });
}

/**
 * Connects a client.
 *
 * @param attempt called when the server requests authentication.
 * @returns resolves when the connection is closed.
 */
export function connectClient(port: number, client: ssh2.Client, attempt: () => void): Promise<void> {
  client.on("error", () => undefined);
  const over = new Promise<void>((resolve) => client.on("close", () => resolve()));
  connectTo(port, client, { authHandler: attempt as never });
  return over;
}

function connectTo(port: number, client: ssh2.Client, settings: ssh2.ConnectConfig): void {
  client.connect({
    host: "127.0.0.1",
    port,
    username: "replicator",
    algorithms: sshAlgorithms,
    ...settings,
  });
}

/** A random private key. */
export function randomKey(): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return privateKey.export({ type: "pkcs1", format: "pem" }).toString();
}
