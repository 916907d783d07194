import { timingSafeEqual } from "node:crypto";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import type { HostPort } from "../../model/host-port.js";
import { TokenBucket } from "../../model/token-bucket.js";
import { PeerError } from "../peer-error.js";
import {
  maxUnauthenticatedBytes,
  type PeerConnection,
  rekeyRate,
  sshAlgorithms,
  sshUser,
  unknownCommandCode,
} from "./connection.js";
import { connectFailure, connectionFailure } from "./failures.js";
import { batchWrites, limitWrites } from "./flow-control.js";
import type { SharedKeys } from "./keys.js";
import { limitSocket } from "./socket-limits.js";

/** A connection to a peer that has proven the shared host key. */
export interface SshLink extends PeerConnection {
  /**
   * Opens a channel and starts a command. If the peer does not support the command, the link ends with a PeerError
   * `version`: each version of the protocol has its own commands.
   *
   * @throws PeerError if the peer opens no channel, or the reason of `ended`.
   */
  run(command: string): Promise<Duplex>;
}

/** Milliseconds. */
export interface LinkTimings {
  readonly connectMs: number;
  readonly keepaliveMs: number;
}

export const defaultLinkTimings: LinkTimings = { connectMs: 5000, keepaliveMs: 15_000 };
/** Keepalives without a reply after which the link ends. */
const maxMissedKeepalives = 3;

/**
 * Connects to a peer. Before the peer has proven the shared host key, only the public half of the client key is sent.
 *
 * @param signal cancels connecting; has no effect on an open link.
 * @throws PeerError `connect`, `host_key`, `auth`, `timeout`, `limit`, or `closed` after cancellation.
 */
export async function openLink(
  address: HostPort,
  keys: SharedKeys,
  signal: AbortSignal,
  { connectMs, keepaliveMs }: LinkTimings = defaultLinkTimings,
): Promise<SshLink> {
  const link = new Link(address, keys, keepaliveMs);
  const cancel = () => link.fail(new PeerError("closed", "connecting was cancelled"));
  const timeout = new PeerError("timeout", `no SSH connection within ${connectMs / 1000} s`);
  const timer = setTimeout(() => link.fail(timeout), connectMs);
  signal.addEventListener("abort", cancel);
  if (signal.aborted) cancel();
  try {
    await link.ready;
    return link;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}

class Link implements SshLink {
  /** Resolves once the peer is authenticated; rejects with the reason of `ended`. */
  readonly ready: Promise<void>;
  readonly #client = new ssh2.Client();
  readonly #socket: Socket;
  readonly #channels = new Set<Duplex>();
  readonly #ended = new AbortController();
  remoteAddress: string;
  #ready = false;

  constructor({ host, port }: HostPort, keys: SharedKeys, keepaliveMs: number) {
    const client = this.#client;
    const socket = connect({ host, port, noDelay: true, keepAlive: true });
    this.#socket = socket;
    this.remoteAddress = host;
    let hostKeyRejected = false;
    const onError = (error: Error) =>
      this.fail(this.#ready ? connectionFailure(error) : connectFailure(error, hostKeyRejected));
    // The client repeats errors of the socket, but only after it is connected.
    socket.on("error", onError);
    client.on("error", onError);
    client.on("close", () => this.fail(new PeerError("closed", "peer closed the connection")));
    const rekeys = new TokenBucket(rekeyRate, performance.now());
    client.on("handshake", () => {
      if (!rekeys.take(performance.now())) this.fail(new PeerError("limit", "too many key re-exchanges"));
    });
    this.ready = new Promise((resolve, reject) => {
      client.on("ready", () => {
        this.#ready = true;
        batchWrites(socket);
        resolve();
      });
      this.ended.addEventListener("abort", () => reject(this.ended.reason));
    });
    socket.once("connect", () => {
      this.remoteAddress = socket.remoteAddress ?? host;
      client.connect({
        sock: socket,
        username: sshUser,
        privateKey: keys.client.privateKey,
        authHandler: ["publickey"],
        hostVerifier: (key: Buffer) => {
          const expected = keys.host.publicKey;
          hostKeyRejected = key.length !== expected.length || !timingSafeEqual(key, expected);
          return !hostKeyRejected;
        },
        algorithms: sshAlgorithms,
        readyTimeout: 0,
        keepaliveInterval: keepaliveMs,
        keepaliveCountMax: maxMissedKeepalives,
      });
      limitSocket({
        socket,
        mayReceive: () => this.#ready || socket.bytesRead <= maxUnauthenticatedBytes,
        channels: () => this.#channels,
        onExceeded: (limit) => this.fail(new PeerError("limit", limit)),
      });
    });
  }

  get bytes() {
    return { in: this.#socket.bytesRead, out: this.#socket.bytesWritten };
  }

  get ended() {
    return this.#ended.signal;
  }

  run(command: string): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const refused = (cause: unknown) => {
        const error = new PeerError("protocol", `peer refused to run the command "${command}"`, { cause });
        reject(this.ended.aborted ? this.ended.reason : error);
      };
      // The peer may accept the connection, but never the channel.
      this.ended.addEventListener("abort", refused, { once: true });
      try {
        this.#client.exec(command, (error, channel) => {
          this.ended.removeEventListener("abort", refused);
          if (error !== undefined) return refused(error);
          channel.on("error", () => undefined);
          channel.stderr.on("error", () => undefined);
          channel.stderr.resume();
          channel.on("exit", (code: number | null) => {
            if (code !== unknownCommandCode) return;
            const reason = `peer does not support the command "${command}": update the older one`;
            this.fail(new PeerError("version", reason));
          });
          channel.on("close", () => this.#channels.delete(channel));
          this.#channels.add(channel);
          limitWrites(channel, this.#socket);
          resolve(channel);
        });
      } catch (error) {
        refused(error);
      }
    });
  }

  close(): void {
    this.fail(new PeerError("closed", "connection closed by this node"));
  }

  /** Ends the link. Only the first reason counts. */
  fail(reason: PeerError): void {
    this.#ended.abort(reason);
    this.#client.destroy();
    this.#socket.destroy();
  }
}
