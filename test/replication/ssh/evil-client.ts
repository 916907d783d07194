import { connect, type Socket } from "node:net";
import ssh2 from "ssh2";
import { sshAlgorithms } from "../../../src/replication/ssh/connection.js";
import { cleanUpAfterTest } from "../../support/on-finished.js";
import { keysFor } from "./test-server.js";

/** Private functions of ssh2 that send single protocol messages. */
export interface RawProtocol {
  rekey(): void;
  ping(): void;
  openssh_noMoreSessions(wantReply: boolean): void;
  channelData(recipient: number, data: Buffer): void;
  session(channel: number, window: number, packetSize: number): void;
  exec(recipient: number, command: string, wantReply: boolean): void;
  env(recipient: number, name: string, value: string, wantReply: boolean): void;
  channelWindowAdjust(recipient: number, amount: number): void;
}

/** A hostile client that knows the secret. */
export interface EvilClient {
  readonly client: ssh2.Client;
  readonly socket: Socket;
  readonly protocol: RawProtocol;
  /** Resolves when the server has ended the connection. */
  readonly closed: Promise<void>;
  /** Stops reading. */
  deaf(): void;
  exec(command: string): Promise<ssh2.ClientChannel>;
}

/**
 * Logs in with the shared key. Disconnects when the test ends.
 *
 * @param from the loopback address to connect from.
 */
export async function startEvilClient(
  server: { readonly port: number },
  from = "127.0.0.1",
): Promise<EvilClient> {
  const keys = await keysFor();
  const socket = connect({ host: "127.0.0.1", port: server.port, localAddress: from, noDelay: true });
  const client = new ssh2.Client();
  client.on("error", () => undefined);
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  cleanUpAfterTest(() => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    client.once("ready", resolve);
    client.once("close", () => reject(new Error("closed before it was ready")));
    client.connect({
      sock: socket,
      username: "replicator",
      privateKey: keys.client.privateKey,
      authHandler: ["publickey"],
      algorithms: sshAlgorithms,
      // Allows requests that only OpenSSH's server supports.
      strictVendor: false,
    });
  });
  return {
    client,
    socket,
    protocol: (client as unknown as { _protocol: RawProtocol })._protocol,
    closed,
    deaf: () => void socket.pause(),
    exec: (command) =>
      new Promise((resolve, reject) =>
        client.exec(command, (error, channel) => {
          if (error !== undefined) return reject(error);
          channel.on("error", () => undefined);
          channel.stderr.on("error", () => undefined);
          resolve(channel);
        }),
      ),
  };
}
