import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import { describeError } from "../../errors.js";
import type { HostPort } from "../../model/host-port.js";
import { TokenBucket } from "../../model/token-bucket.js";
import { PeerError } from "../peer-error.js";
import {
  connectionFailure,
  PeerConnection,
  type SshError,
  sshAlgorithms,
  unknownCommandCode,
} from "./connection.js";
import { batchWrites, limitChannel, limitSocket } from "./flow-control.js";
import type { SharedKeys } from "./keys.js";
import { sshLimits } from "./limits.js";

/**
 * Connects to a peer. Before the peer has proven the shared host key, only the public half of the client key is sent.
 *
 * @param signal cancels connecting; has no effect on an open link.
 * @param connectMs milliseconds until the connection must be open.
 * @throws PeerError `connect`, `host_key`, `auth`, `timeout`, `limit`, or `closed` after cancellation.
 */
export async function openLink(
  { host, port }: HostPort,
  keys: SharedKeys,
  signal: AbortSignal,
  connectMs = 5000,
): Promise<SshLink> {
  const client = new ssh2.Client();
  const socket = connect({ host, port, noDelay: true, keepAlive: true });
  const link = new SshLink(client, socket);
  const { ended } = link;
  let ready = false;
  let hostKeyRejected = false;
  const onError = (error: Error) =>
    link.fail(ready ? connectionFailure(error) : connectFailure(error, hostKeyRejected));
  // The client repeats errors of the socket, but only after it is connected.
  socket.on("error", onError);
  client.on("error", onError);
  const timeout = new PeerError("timeout", `no SSH connection within ${connectMs / 1000} s`);
  const timer = setTimeout(() => link.fail(timeout), connectMs);
  const cancel = () => link.fail(new PeerError("closed", "connecting was cancelled"));
  signal.addEventListener("abort", cancel);
  if (signal.aborted) cancel();
  try {
    await once(socket, "connect", { signal: ended });
    ended.throwIfAborted();
    client.connect({
      sock: socket,
      // The server accepts any name.
      username: "replicator",
      privateKey: keys.client.privateKey,
      authHandler: ["publickey"],
      hostVerifier: (key: Buffer) => {
        hostKeyRejected = !keys.host.publicKey.equals(key);
        return !hostKeyRejected;
      },
      algorithms: sshAlgorithms,
      readyTimeout: 0,
    });
    const mayReceive = () => ready || socket.bytesRead <= sshLimits.handshakeBytes;
    limitSocket(socket, mayReceive, (limit) => link.fail(new PeerError("limit", limit)));
    await once(client, "ready", { signal: ended });
    ready = true;
    batchWrites(socket);
    return link;
  } catch (error) {
    throw ended.reason ?? error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}

/** A connection to a peer that has proven the shared host key. */
export class SshLink extends PeerConnection {
  constructor(
    private readonly client: ssh2.Client,
    socket: Socket,
  ) {
    super(socket);
    client.on("close", () => this.fail(new PeerError("closed", "peer closed the connection")));
    const rekeys = new TokenBucket(sshLimits.rekeys, performance.now());
    client.on("handshake", () => {
      if (!rekeys.take(performance.now())) this.fail(new PeerError("limit", "too many key re-exchanges"));
    });
  }

  /**
   * Opens a channel and starts a command. If the peer does not support the command, the link ends with a PeerError
   * `version`: each version of the protocol has its own commands.
   *
   * @throws PeerError if the peer opens no channel, or the reason of `ended`.
   */
  async run(command: string): Promise<Duplex> {
    try {
      return await new Promise((resolve, reject) => {
        // The peer may accept the connection, but never the channel.
        this.ended.addEventListener("abort", reject, { once: true });
        this.client.exec(command, (error, channel) => {
          if (error !== undefined) return reject(error);
          limitChannel(channel, this.socket, (limit) => this.fail(new PeerError("limit", limit)));
          channel.stderr.resume();
          channel.on("exit", (code: number | null) => {
            if (code !== unknownCommandCode) return;
            const reason = `peer does not support the command "${command}": update the older one`;
            this.fail(new PeerError("version", reason));
          });
          resolve(channel);
        });
      });
    } catch (cause) {
      this.ended.throwIfAborted();
      throw new PeerError("protocol", `peer refused to run the command "${command}"`, { cause });
    }
  }
}

/** ssh2's messages for a host key of another type, and for one whose private key the server does not have. */
const unprovenHostKey = /no matching host key format|signature verification failed/;

/** @param hostKeyRejected whether the peer's host key is not the shared one. */
function connectFailure(error: SshError, hostKeyRejected: boolean): PeerError {
  const options = { cause: error };
  if (hostKeyRejected || unprovenHostKey.test(error.message)) {
    const message = "unknown host key: the peer has another SSHPASS or is an impostor";
    return new PeerError("host_key", message, options);
  }
  if (error.level === "client-authentication") {
    return new PeerError("auth", "peer rejected our key: it has another SSHPASS", options);
  }
  return new PeerError("connect", `cannot connect: ${describeError(error)}`, options);
}
