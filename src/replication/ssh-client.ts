import { timingSafeEqual } from "node:crypto";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import { describeError } from "../errors.js";
import { gatherWrites } from "./gather-writes.js";
import type { SharedKeys } from "./keys.js";
import { PeerError } from "./peer-error.js";
import { sshAlgorithms, sshUser } from "./ssh-algorithms.js";

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
    const end = () => {
      open = false;
      client.destroy();
      socket?.destroy();
    };
    const fail = (error: PeerError) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      end();
      reject(error);
    };
    const abort = () => fail(new PeerError("closed", "stopped"));
    const timer = setTimeout(
      () => fail(new PeerError("timeout", `no SSH connection within ${timings.connectMs / 1000} s`)),
      timings.connectMs,
    );
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) return abort();

    socket = connect({ host, port, noDelay: true, keepAlive: true });
    gatherWrites(socket);
    socket.on("error", () => undefined);
    client.on("error", (error) => fail(failureOf(error, hostKeyWrong)));
    client.on("close", () => fail(new PeerError("closed", "the connection was closed")));
    client.on("ready", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      open = true;
      resolve({
        run: (command) => run(client, command),
        get open() {
          return open && socket?.destroyed === false;
        },
        get bytes() {
          return { in: socket?.bytesRead ?? 0, out: socket?.bytesWritten ?? 0 };
        },
        close: end,
      });
    });
    socket.once("error", (error) => fail(failureOf(error, false)));
    socket.once("connect", () =>
      client.connect({
        sock: socket!,
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
      }),
    );
  });
}

function run(client: ssh2.Client, command: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const refused = (cause: unknown) =>
      reject(new PeerError("protocol", `it does not run ${command}`, { cause }));
    try {
      client.exec(command, (error, channel) => {
        if (error !== undefined) return refused(error);
        channel.on("error", () => undefined);
        channel.stderr.on("error", () => undefined);
        channel.stderr.resume();
        resolve(channel);
      });
    } catch (error) {
      refused(error);
    }
  });
}

function failureOf(error: Error & { level?: string }, hostKeyWrong: boolean): PeerError {
  const options = { cause: error };
  if (hostKeyWrong) {
    return new PeerError(
      "host_key",
      "it has another host key: another SSHPASS there, or an impostor",
      options,
    );
  }
  if (error.level === "client-authentication") {
    return new PeerError("auth", "it does not take our key: another SSHPASS there", options);
  }
  if (error.level === "client-timeout")
    return new PeerError("timeout", "it does not answer any more", options);
  return new PeerError("connect", `it cannot be reached: ${describeError(error)}`, options);
}
