import { timingSafeEqual } from "node:crypto";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import { TokenBucket } from "../../model/token-bucket.js";
import { PeerError } from "../peer-error.js";
import { sshAlgorithms, sshUser } from "./algorithms.js";
import { gatherWrites } from "./gather-writes.js";
import type { SharedKeys } from "./keys.js";
import { breakOf, failureOf } from "./link-failure.js";
import { paceBySocket } from "./paced-channel.js";
import { rekeyRate } from "./rekey-rate.js";
import { watchSocket } from "./socket-watch.js";

/** Where a peer listens. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** A connection to a peer that has shown the shared host key. */
export interface SshLink {
  /** Opens a channel and runs a command there. @throws PeerError */
  run(command: string): Promise<Duplex>;
  /** Whether it can still be used. */
  readonly open: boolean;
  /** Aborted when it has ended, with the PeerError that tells why. */
  readonly ended: AbortSignal;
  /** Bytes on the wire so far. */
  readonly bytes: { readonly in: number; readonly out: number };
  close(): void;
}

/** Milliseconds. */
export interface LinkTimings {
  readonly connectMs: number;
  readonly keepaliveMs: number;
}

export const defaultLinkTimings: LinkTimings = { connectMs: 5000, keepaliveMs: 15_000 };
const keepalivesMissed = 3;
/** Bytes that the other end may send before it has shown who it is. */
const strangerBytes = 64 * 1024;

/**
 * Connects to a peer. Nothing but the public half of the shared key is said before the other end has proven that it
 * has the shared host key.
 *
 * @throws PeerError `connect`, `host_key`, `auth` or `timeout`.
 */
export function openLink(
  { host, port }: PeerAddress,
  keys: SharedKeys,
  signal: AbortSignal,
  timings: LinkTimings = defaultLinkTimings,
): Promise<SshLink> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    let socket: Socket | undefined;
    let open = false;
    let hostKeyWrong = false;
    const ended = new AbortController();
    const closed = new PeerError("closed", "the connection was closed");
    const channels = new Set<Duplex>();
    const end = () => {
      open = false;
      client.destroy();
      socket?.destroy();
    };
    const fail = (error: PeerError) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      ended.abort(error);
      end();
      reject(error);
    };
    const broke = (error: Error) => fail(open ? breakOf(error) : failureOf(error, hostKeyWrong));
    const abort = () => fail(new PeerError("closed", "stopped"));
    const timer = setTimeout(
      () => fail(new PeerError("timeout", `no SSH connection within ${timings.connectMs / 1000} s`)),
      timings.connectMs,
    );
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) return abort();

    const wire = connect({ host, port, noDelay: true, keepAlive: true });
    socket = wire;
    wire.on("error", () => undefined);
    wire.once("close", () => ended.abort(closed));
    client.on("error", broke);
    const rekeyBudget = new TokenBucket(rekeyRate, performance.now());
    client.on("handshake", () => {
      if (rekeyBudget.take(performance.now())) return;
      fail(new PeerError("limit", "it negotiates new keys all the time"));
    });
    client.on("close", () => fail(closed));
    client.on("ready", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      open = true;
      gatherWrites(wire);
      resolve({
        run: (command) => run(client, wire, channels, ended.signal, command),
        get open() {
          return open && !wire.destroyed;
        },
        ended: ended.signal,
        get bytes() {
          return { in: wire.bytesRead, out: wire.bytesWritten };
        },
        close: end,
      });
    });
    wire.once("error", broke);
    wire.once("connect", () => {
      client.connect({
        sock: wire,
        username: sshUser,
        privateKey: keys.client.privateKey,
        authHandler: ["publickey"],
        hostVerifier: (key: Buffer) => {
          const expected = keys.host.publicKey;
          hostKeyWrong = key.length !== expected.length || !timingSafeEqual(key, expected);
          return !hostKeyWrong;
        },
        algorithms: sshAlgorithms,
        readyTimeout: 0,
        keepaliveInterval: timings.keepaliveMs,
        keepaliveCountMax: keepalivesMissed,
      });
      watchSocket({
        socket: wire,
        mayReceive: () => open || wire.bytesRead <= strangerBytes,
        channels: () => channels,
        onExcess: (what) => fail(new PeerError("limit", what)),
      });
    });
  });
}

function run(
  client: ssh2.Client,
  socket: Socket,
  channels: Set<Duplex>,
  ended: AbortSignal,
  command: string,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const refused = (cause: unknown) =>
      reject(
        ended.aborted ? ended.reason : new PeerError("protocol", `it does not run ${command}`, { cause }),
      );
    try {
      client.exec(command, (error, channel) => {
        if (error !== undefined) return refused(error);
        channel.on("error", () => undefined);
        channel.stderr.on("error", () => undefined);
        channel.stderr.resume();
        channel.on("close", () => channels.delete(channel));
        channels.add(channel);
        paceBySocket(channel, socket);
        resolve(channel);
      });
    } catch (error) {
      refused(error);
    }
  });
}
