import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Connection, ServerChannel, Session } from "ssh2";
import { describeError } from "../../errors.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { TokenBucket } from "../../model/token-bucket.js";
import { PeerError } from "../peer-error.js";
import { connectionFailure, PeerConnection, unknownCommandCode } from "./connection.js";
import type { RefusalReason } from "./connection-guard.js";
import { endSocket, limitChannel } from "./flow-control.js";
import type { SshLimits } from "./limits.js";

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

/** What all connections of a server share. */
export interface ServerContext {
  readonly commands: SshCommands;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: SshLimits;
  /** Called for each refused connection or request, for the metrics. */
  readonly onRefused: (reason: RefusalReason) => void;
}

/** Requests that are always refused: forwarding of any kind, and everything else that a session can do. */
const unsupported = {
  connection: ["request", "tcpip", "openssh.streamlocal"],
  session: ["pty", "x11", "auth-agent", "shell", "subsystem", "sftp", "signal", "window-change"],
};

/** An authenticated connection: runs the given commands and refuses everything else that SSH can do. */
export class ServerConnection extends PeerConnection {
  readonly #commands: TokenBucket;
  readonly #refusals: TokenBucket;
  readonly #idleBytes: TokenBucket;
  /** One for each open session: aborts when it closes. */
  readonly #sessions = new Set<AbortController>();
  #running = 0;
  #runningForPeer = 0;
  #idle: NodeJS.Timeout | undefined;

  /** @param trusted whether the client authenticated with the key. */
  constructor(
    private readonly client: Connection,
    socket: Socket,
    private readonly trusted: boolean,
    private readonly context: ServerContext,
  ) {
    super(socket);
    const { clock, limits } = context;
    const now = clock.monotonic();
    this.#commands = new TokenBucket(limits.commands, now);
    this.#refusals = new TokenBucket(limits.refusals, now);
    this.#idleBytes = new TokenBucket(limits.idleBytes, now);
    const rekeys = new TokenBucket(limits.rekeys, now);
    client.on("session", (accept, reject) => {
      const full = this.#sessions.size >= limits.channels;
      if (full || !this.#commands.take(clock.monotonic())) this.#refuse("channels", reject);
      else this.#open(accept());
    });
    for (const event of unsupported.connection) {
      client.on(event as "tcpip", (_accept, reject) => this.#refuse("requests", reject));
    }
    client.on("rekey", () => {
      if (!rekeys.take(clock.monotonic())) this.cutOff("limit", "too many key re-exchanges");
    });
    client.on("error", (error) => this.end(connectionFailure(error)));
    client.on("close", () => this.end(new PeerError("closed", "peer closed the connection")));
    this.ended.addEventListener("abort", () => {
      clearTimeout(this.#idle);
      for (const closing of this.#sessions) closing.abort(this.ended.reason);
    });
    this.#watchIdle();
  }

  /** Whether the client may send this many further bytes now. */
  mayReceive(bytes: number): boolean {
    return this.#runningForPeer > 0 || this.#idleBytes.take(this.context.clock.monotonic(), bytes);
  }

  /** Ends the connection at once and counts the reason. No effect on a connection that has ended. */
  cutOff(reason: RefusalReason & PeerError["reason"], why: string): void {
    if (this.ended.aborted) return;
    const { logger, onRefused } = this.context;
    onRefused(reason);
    logger.debug("SSH connection cut off", { from: this.socket.remoteAddress, reason, why });
    this.fail(new PeerError(reason, why));
  }

  #refuse(reason: RefusalReason | undefined, reject?: () => void): void {
    if (this.ended.aborted) return;
    if (reason !== undefined) this.context.onRefused(reason);
    if (this.#refusals.take(this.context.clock.monotonic())) reject?.();
    else this.cutOff("limit", "too many refused requests");
  }

  #open(session: Session): void {
    const closing = new AbortController();
    this.#sessions.add(closing);
    session.on("close", () => {
      this.#sessions.delete(closing);
      closing.abort(new PeerError("closed", "peer closed the channel"));
    });
    for (const event of unsupported.session) {
      session.on(event as "shell", (_accept, reject) => this.#refuse("requests", reject));
    }
    // OpenSSH sends its locale with each command: refused, but not counted.
    session.on("env", (_accept, reject) => this.#refuse(undefined, reject));
    let ran = false;
    session.on("exec", (accept, reject, { command }) => {
      if (ran || this.ended.aborted) return this.#refuse("requests", reject);
      ran = true;
      const channel = accept();
      limitChannel(channel, this.socket, (limit) => this.cutOff("limit", limit));
      void this.#run(command, channel, closing.signal);
    });
  }

  async #run(command: string, channel: ServerChannel, signal: AbortSignal): Promise<void> {
    const { commands, logger } = this.context;
    const forPeer = this.trusted && Object.hasOwn(commands.peers, command);
    const available = forPeer ? commands.peers : commands.everybody;
    const run = Object.hasOwn(available, command) ? available[command] : undefined;
    let code = 0;
    let failure: PeerError | undefined;
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
        failure = error instanceof PeerError ? error : new PeerError("closed", "a command failed");
        const description = describeError(error);
        logger.debug("SSH command failed", { from: this.socket.remoteAddress, command, error: description });
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
    if (forPeer && failure !== undefined) setImmediate((reason) => this.#disconnect(reason), failure);
  }

  /** Unread output stays in memory: the client has limited time to read it. */
  #limitLinger(signal: AbortSignal): void {
    const late = () => this.cutOff("timeout", "client does not read the output");
    const timer = setTimeout(late, this.context.limits.lingerMs);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  #watchIdle(): void {
    if (this.ended.aborted) return;
    const idle = new PeerError("closed", "no command was running");
    this.#idle = setTimeout(() => this.#disconnect(idle), this.context.limits.idleMs);
    this.#idle.unref();
  }

  /** Ends the connection after what was written has been sent. */
  #disconnect(reason: PeerError): void {
    this.end(reason);
    this.client.end();
    endSocket(this.socket);
  }
}
