import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Connection, ServerChannel, Session } from "ssh2";
import { describeError } from "../../errors.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { TokenBucket } from "../../model/token-bucket.js";
import { PeerError } from "../peer-error.js";
import { type PeerConnection, rekeyRate, unknownCommandCode } from "./connection.js";
import { connectionFailure, type RefusalReason } from "./failures.js";
import { limitWrites } from "./flow-control.js";
import { endSocket } from "./socket-limits.js";

/**
 * Runs until it resolves. If it rejects, the error is logged and sent to the client's stderr, and the exit code is 1.
 *
 * @param connection the same object for all commands of one connection.
 * @param signal aborts when the channel or the connection closes. The reason is a PeerError.
 */
export type SshCommand = (channel: Duplex, connection: PeerConnection, signal: AbortSignal) => Promise<void>;

/** The commands by name. */
export interface SshCommands {
  /** For clients that authenticated with the key or the password. */
  readonly everybody: Readonly<Record<string, SshCommand>>;
  /** For peers only, that is clients that authenticated with the key. A failure ends the connection. */
  readonly peers: Readonly<Record<string, SshCommand>>;
}

/** Milliseconds. */
export interface ConnectionTimings {
  /** Without a running command. */
  readonly idleMs: number;
  /** For the client to read the rest of the output after a command is done. */
  readonly lingerMs: number;
}

export const defaultConnectionTimings: ConnectionTimings = { idleMs: 60_000, lingerMs: 30_000 };

export interface ServerConnectionOptions {
  readonly client: Connection;
  readonly socket: Socket;
  readonly commands: SshCommands;
  /** Whether the client authenticated with the key. */
  readonly trusted: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timings: ConnectionTimings;
  /** Called for each refusal. */
  readonly onRefused: (reason: RefusalReason) => void;
}

const maxSessions = 4;
const commandRate = { capacity: 20, perSecond: 1 };
const refusalRate = { capacity: 100, perSecond: 1 };
/** Received bytes while no peer command runs: requests are short, and so are the replies while an archive is read. */
const idleByteRate = { capacity: 256 * 1024, perSecond: 16 * 1024 };

/** Requests of a session that are always refused. */
const unsupported = ["pty", "x11", "auth-agent", "shell", "subsystem", "sftp", "signal", "window-change"];

/** An authenticated connection: runs the given commands and refuses everything else that SSH can do. */
export class ServerConnection implements PeerConnection {
  readonly remoteAddress: string;
  readonly #options: ServerConnectionOptions;
  readonly #commandBudget: TokenBucket;
  readonly #refusalBudget: TokenBucket;
  readonly #idleByteBudget: TokenBucket;
  /** Open channels, each with the controller of its command's signal. */
  readonly #channels = new Map<Duplex, AbortController>();
  readonly #ended = new AbortController();
  #sessions = 0;
  #running = 0;
  #runningForPeer = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: ServerConnectionOptions) {
    this.#options = options;
    const { client, socket, clock } = options;
    this.remoteAddress = socket.remoteAddress ?? "unknown";
    const now = clock.monotonic();
    this.#commandBudget = new TokenBucket(commandRate, now);
    this.#refusalBudget = new TokenBucket(refusalRate, now);
    this.#idleByteBudget = new TokenBucket(idleByteRate, now);
    const rekeyBudget = new TokenBucket(rekeyRate, now);
    client.on("session", (accept, reject) => {
      const full = this.ended.aborted || this.#sessions >= maxSessions;
      if (full || !this.#commandBudget.take(clock.monotonic())) this.#refuse("channels", reject);
      else this.#open(accept());
    });
    // Forwarding of any kind.
    client.on("request", (_accept, reject) => this.#refuse("requests", reject));
    client.on("tcpip", (_accept, reject) => this.#refuse("requests", reject));
    client.on("openssh.streamlocal", (_accept, reject) => this.#refuse("requests", reject));
    client.on("rekey", () => {
      if (!rekeyBudget.take(clock.monotonic())) this.cutOff("limit", "too many key re-exchanges");
    });
    client.on("error", (error) => this.#end(connectionFailure(error)));
    client.on("close", () => this.#end(new PeerError("closed", "peer closed the connection")));
    this.#watchIdle();
  }

  get bytes() {
    return { in: this.#options.socket.bytesRead, out: this.#options.socket.bytesWritten };
  }

  get ended() {
    return this.#ended.signal;
  }

  close(): void {
    this.#end(new PeerError("closed", "connection closed by this node"));
    this.#options.socket.destroy();
  }

  get channels(): Iterable<Duplex> {
    return this.#channels.keys();
  }

  /** Whether the client may send this many further bytes now. */
  mayReceive(bytes: number): boolean {
    return this.#runningForPeer > 0 || this.#idleByteBudget.take(this.#options.clock.monotonic(), bytes);
  }

  /** Ends the connection at once and counts the reason. No effect on a connection that has ended. */
  cutOff(reason: RefusalReason & PeerError["reason"], why: string): void {
    if (this.ended.aborted) return;
    const { socket, logger, onRefused } = this.#options;
    onRefused(reason);
    logger.debug("SSH connection cut off", { from: this.remoteAddress, reason, why });
    this.#end(new PeerError(reason, why));
    socket.destroy();
  }

  #refuse(reason: RefusalReason | undefined, reject?: () => void): void {
    if (this.ended.aborted) return;
    if (reason !== undefined) this.#options.onRefused(reason);
    if (this.#refusalBudget.take(this.#options.clock.monotonic())) reject?.();
    else this.cutOff("limit", "too many refused requests");
  }

  #open(session: Session): void {
    this.#sessions++;
    const closing = new AbortController();
    let ran = false;
    session.on("error" as "close", () => undefined);
    session.on("close", () => {
      this.#sessions--;
      closing.abort(new PeerError("closed", "peer closed the channel"));
    });
    for (const event of unsupported) {
      session.on(event as "shell", (_accept, reject) => this.#refuse("requests", reject));
    }
    // OpenSSH sends its locale with each command: refused, but not counted.
    session.on("env", (_accept, reject) => this.#refuse(undefined, reject));
    session.on("exec", (accept, reject, { command }) => {
      if (ran || this.ended.aborted) return this.#refuse("requests", reject);
      ran = true;
      const channel = accept();
      channel.on("error", () => undefined);
      channel.stderr.on("error", () => undefined);
      limitWrites(channel, this.#options.socket);
      this.#channels.set(channel, closing);
      closing.signal.addEventListener("abort", () => this.#channels.delete(channel), { once: true });
      void this.#run(command, channel, closing.signal);
    });
  }

  async #run(command: string, channel: ServerChannel, signal: AbortSignal): Promise<void> {
    const { commands, trusted, logger } = this.#options;
    const forPeer = trusted && Object.hasOwn(commands.peers, command);
    const available = forPeer ? commands.peers : commands.everybody;
    const run = Object.hasOwn(available, command) ? available[command] : undefined;
    let code = 0;
    let failure: unknown;
    this.#running++;
    if (forPeer) this.#runningForPeer++;
    clearTimeout(this.#idle);
    if (run === undefined) {
      this.#refuse("requests");
      channel.stderr.write(`unknown command; available: ${Object.keys(commands.everybody).join(", ")}\n`);
      code = unknownCommandCode;
    } else {
      try {
        await run(channel, this, signal);
      } catch (error) {
        failure = error;
        const description = describeError(error);
        logger.debug("SSH command failed", { from: this.remoteAddress, command, error: description });
        if (channel.writable) channel.stderr.write(`${description}\n`);
        code = 1;
      }
    }
    if (forPeer) this.#runningForPeer--;
    if (--this.#running === 0) this.#watchIdle();
    if (signal.aborted) return;
    this.#limitLinger(signal);
    if (channel.writable) {
      channel.exit(code);
      channel.end();
    } else channel.destroy();
    if (code === 0 || !forPeer) return;
    const reason = failure instanceof PeerError ? failure : new PeerError("closed", "a command failed");
    setImmediate(() => this.#disconnect(reason));
  }

  /** Unread output stays in memory: the client has limited time to read it. */
  #limitLinger(signal: AbortSignal): void {
    const { lingerMs } = this.#options.timings;
    const timer = setTimeout(() => this.cutOff("timeout", "client does not read the output"), lingerMs);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  #watchIdle(): void {
    clearTimeout(this.#idle);
    if (this.ended.aborted) return;
    const idle = new PeerError("closed", "no command was running");
    this.#idle = setTimeout(() => this.#disconnect(idle), this.#options.timings.idleMs);
    this.#idle.unref();
  }

  /** Ends the connection after what was written has been sent. */
  #disconnect(reason: PeerError): void {
    this.#end(reason);
    this.#options.client.end();
    endSocket(this.#options.socket);
  }

  /** Only the first reason counts. */
  #end(reason: PeerError): void {
    if (this.ended.aborted) return;
    clearTimeout(this.#idle);
    this.#ended.abort(reason);
    for (const closing of this.#channels.values()) closing.abort(reason);
  }
}
