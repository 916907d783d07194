import { timingSafeEqual } from "node:crypto";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
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

/** Where a peer listens. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** A connection to a peer that has proven the shared host key. */
export interface SshLink extends PeerConnection {
  /**
   * Opens a channel and starts a command. If the peer does not support the command, the link ends with a PeerError
   * `protocol`.
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
export function openLink(
  address: PeerAddress,
  keys: SharedKeys,
  signal: AbortSignal,
  timings: LinkTimings = defaultLinkTimings,
): Promise<SshLink> {
  const cancelled = new PeerError("closed", "connecting was cancelled");
  if (signal.aborted) return Promise.reject(cancelled);
  return new Promise((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
    };
    const link = new Link(address, keys, timings.keepaliveMs, () => {
      settle();
      resolve(link);
    });
    const cancel = () => link.fail(cancelled);
    const timeout = new PeerError("timeout", `no SSH connection within ${timings.connectMs / 1000} s`);
    const timer = setTimeout(() => link.fail(timeout), timings.connectMs);
    signal.addEventListener("abort", cancel);
    link.ended.addEventListener("abort", () => {
      settle();
      reject(link.ended.reason);
    });
  });
}

class Link implements SshLink {
  readonly #client = new ssh2.Client();
  readonly #socket: Socket;
  readonly #channels = new Set<Duplex>();
  readonly #ended = new AbortController();
  #remoteAddress: string;
  #ready = false;

  constructor({ host, port }: PeerAddress, keys: SharedKeys, keepaliveMs: number, onReady: () => void) {
    const client = this.#client;
    const socket = connect({ host, port, noDelay: true, keepAlive: true });
    this.#socket = socket;
    this.#remoteAddress = host;
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
    client.on("ready", () => {
      this.#ready = true;
      batchWrites(socket);
      onReady();
    });
    socket.once("connect", () => {
      this.#remoteAddress = socket.remoteAddress ?? host;
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

  get remoteAddress() {
    return this.#remoteAddress;
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
      // A peer that accepts the connection, but never the channel.
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
            this.fail(new PeerError("protocol", `peer does not support the command "${command}"`));
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
