import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Connection, ServerChannel, Session } from "ssh2";
import { describeError } from "../../errors.js";
import type { Logger } from "../../logging.js";
import type { Clock } from "../../model/clock.js";
import { TokenBucket } from "../../model/token-bucket.js";
import { paceBySocket } from "./paced-channel.js";
import { part } from "./parting.js";
import type { RefusalReason } from "./refusal.js";
import { rekeyRate } from "./rekey-rate.js";

/**
 * A command that runs until it resolves; what it rejects with is logged, and told to whoever asked.
 *
 * @param signal aborted when whoever asked is gone.
 */
export type SshCommand = (stream: Duplex, signal: AbortSignal) => Promise<void>;

/** The commands by name. */
export interface SshCommands {
  /** For everybody who has shown the key or the password. */
  readonly everybody: Readonly<Record<string, SshCommand>>;
  /** For who has shown the key: the other instances. One that fails costs its connection. */
  readonly peers: Readonly<Record<string, SshCommand>>;
}

/** Milliseconds. */
export interface ConnectionTimings {
  /** Without a command. */
  readonly idleMs: number;
  /** For the rest of what a command has said, once it is done. */
  readonly lingerMs: number;
}

export const defaultConnectionTimings: ConnectionTimings = { idleMs: 60_000, lingerMs: 30_000 };

export interface SshConnectionOptions {
  readonly client: Connection;
  readonly socket: Socket;
  readonly commands: SshCommands;
  /** Whether it has shown the key. */
  readonly trusted: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timings: ConnectionTimings;
  /** Told each thing that is refused. */
  readonly onRefused: (reason: RefusalReason) => void;
}

const sessionsAtOnce = 4;
/** Commands, and refused requests. */
const commandRate = { capacity: 20, perSecond: 1 };
const refusalRate = { capacity: 100, perSecond: 1 };
/** Bytes that may come while no peer's command runs: asking takes few, and fetching an archive little more. */
const idleByteRate = { capacity: 256 * 1024, perSecond: 16 * 1024 };

/** What SSH can do in a session beside running a command. */
const unwanted = ["pty", "x11", "auth-agent", "shell", "subsystem", "sftp", "signal", "window-change"];

/** One authenticated connection: runs the fixed commands and refuses all else that SSH can do. */
export class SshConnection {
  readonly #options: SshConnectionOptions;
  readonly #commandBudget: TokenBucket;
  readonly #refusalBudget: TokenBucket;
  readonly #byteBudget: TokenBucket;
  readonly #channels = new Set<Duplex>();
  readonly #closing = new AbortController();
  #sessions = 0;
  #running = 0;
  #syncing = 0;
  #over = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: SshConnectionOptions) {
    this.#options = options;
    const { client, clock } = options;
    const now = clock.monotonic();
    this.#commandBudget = new TokenBucket(commandRate, now);
    this.#refusalBudget = new TokenBucket(refusalRate, now);
    this.#byteBudget = new TokenBucket(idleByteRate, now);
    const rekeyBudget = new TokenBucket(rekeyRate, now);
    client.on("session", (accept, reject) => {
      if (this.#sessions >= sessionsAtOnce || !this.#commandBudget.take(clock.monotonic())) {
        return this.#refuse("channels", reject);
      }
      this.#open(accept());
    });
    // Forwarding of any kind, and whatever else is asked of the connection as a whole.
    client.on("request", (_accept, reject) => this.#refuse("requests", reject));
    client.on("tcpip", (_accept, reject) => this.#refuse("requests", reject));
    client.on("openssh.streamlocal", (_accept, reject) => this.#refuse("requests", reject));
    client.on("rekey", () => {
      if (!rekeyBudget.take(clock.monotonic())) this.cutOff("limit", "it negotiates new keys all the time");
    });
    client.on("close", () => {
      clearTimeout(this.#idle);
      this.#closing.abort();
    });
    this.#watchIdle();
  }

  /** The channels that are open. */
  get channels(): Iterable<Duplex> {
    return this.#channels;
  }

  /** Whether so many more bytes have a reason. */
  mayReceive(bytes: number): boolean {
    return this.#syncing > 0 || this.#byteBudget.take(this.#options.clock.monotonic(), bytes);
  }

  /** Ends the connection and counts why, once. */
  cutOff(reason: RefusalReason, why: string): void {
    if (this.#over) return;
    this.#over = true;
    const { socket, logger, onRefused } = this.#options;
    onRefused(reason);
    logger.debug("an SSH connection was cut off", { from: socket.remoteAddress, reason, why });
    socket.destroy();
  }

  #refuse(reason: RefusalReason | undefined, reject?: () => void): void {
    if (this.#over) return;
    if (reason !== undefined) this.#options.onRefused(reason);
    if (this.#refusalBudget.take(this.#options.clock.monotonic())) reject?.();
    else this.cutOff("limit", "it asks on and on for what it does not get");
  }

  #open(session: Session): void {
    this.#sessions++;
    const closing = new AbortController();
    let ran = false;
    session.on("error" as "close", () => undefined);
    session.on("close", () => {
      this.#sessions--;
      closing.abort();
    });
    for (const event of unwanted) {
      session.on(event as "shell", (_accept, reject) => this.#refuse("requests", reject));
    }
    // OpenSSH's client offers its language whenever it runs a command: refused, and not worth counting.
    session.on("env", (_accept, reject) => this.#refuse(undefined, reject));
    session.on("exec", (accept, reject, { command }) => {
      if (ran) return this.#refuse("requests", reject);
      ran = true;
      const channel = accept();
      channel.on("error", () => undefined);
      channel.stderr.on("error", () => undefined);
      paceBySocket(channel, this.#options.socket);
      this.#channels.add(channel);
      closing.signal.addEventListener("abort", () => this.#channels.delete(channel), { once: true });
      void this.#run(command, channel, AbortSignal.any([closing.signal, this.#closing.signal]));
    });
  }

  async #run(command: string, channel: ServerChannel, signal: AbortSignal): Promise<void> {
    const { commands, trusted, logger } = this.#options;
    const forPeers = trusted && Object.hasOwn(commands.peers, command);
    const known = forPeers ? commands.peers : commands.everybody;
    const run = Object.hasOwn(known, command) ? known[command] : undefined;
    let code = 0;
    this.#running++;
    if (forPeers) this.#syncing++;
    clearTimeout(this.#idle);
    if (run === undefined) {
      this.#refuse("requests");
      const names = Object.keys(commands.everybody).join(", ");
      channel.stderr.write(`no such command; there is: ${names}\n`);
      code = 127;
    } else {
      try {
        await run(channel, signal);
      } catch (error) {
        logger.debug("an SSH command failed", { command, error: describeError(error) });
        if (channel.writable) channel.stderr.write(`${describeError(error)}\n`);
        code = 1;
      }
    }
    if (forPeers) this.#syncing--;
    if (--this.#running === 0) this.#watchIdle();
    if (signal.aborted) return;
    this.#linger(signal);
    if (channel.writable) {
      channel.exit(code);
      channel.end();
    } else channel.destroy();
    // A peer that breaks the rules is cut off, and so is done with this connection.
    if (code !== 0 && forPeers) setImmediate(() => this.#end());
  }

  /** Who does not take the end of what a command said holds it in memory: not for ever. */
  #linger(signal: AbortSignal): void {
    const { lingerMs } = this.#options.timings;
    const timer = setTimeout(() => this.cutOff("timeout", "it does not take what it asked for"), lingerMs);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  #watchIdle(): void {
    clearTimeout(this.#idle);
    if (this.#closing.signal.aborted) return;
    this.#idle = setTimeout(() => this.#end(), this.#options.timings.idleMs);
    this.#idle.unref();
  }

  #end(): void {
    this.#options.client.end();
    part(this.#options.socket);
  }
}
