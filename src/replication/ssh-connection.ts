import type { Duplex } from "node:stream";
import type { Connection, ServerChannel, Session } from "ssh2";
import { describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import { TokenBucket } from "../model/token-bucket.js";

/** A command that runs until it resolves; what it rejects with is logged, and told to whoever asked. */
export type SshCommand = (stream: Duplex) => Promise<void>;

/** The commands by name. */
export interface SshCommands {
  /** For everybody who has shown the key or the password. */
  readonly everybody: Readonly<Record<string, SshCommand>>;
  /** For who has shown the key: the other instances. */
  readonly peers: Readonly<Record<string, SshCommand>>;
}

export interface SshConnectionOptions {
  readonly client: Connection;
  readonly commands: SshCommands;
  /** Whether it has shown the key. */
  readonly trusted: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const sessionsAtOnce = 4;
const commandsAtOnce = 20;
const commandsPerSecond = 1;
/** Milliseconds that a connection may stay open without a command. */
const idleMs = 60_000;

/** One authenticated connection: runs the fixed commands and refuses all else that SSH can do. */
export class SshConnection {
  readonly #options: SshConnectionOptions;
  readonly #budget: TokenBucket;
  #sessions = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: SshConnectionOptions) {
    this.#options = options;
    const { client, clock } = options;
    this.#budget = new TokenBucket(commandsAtOnce, commandsPerSecond, clock.monotonic());
    client.on("session", (accept, reject) => {
      if (this.#sessions >= sessionsAtOnce || !this.#budget.take(clock.monotonic())) return void reject();
      this.#open(accept());
    });
    // Forwarding of any kind, and whatever else is asked of the connection as a whole.
    client.on("request", (_accept, reject) => reject?.());
    client.on("close", () => clearTimeout(this.#idle));
    this.#watchIdle();
  }

  #open(session: Session): void {
    this.#sessions++;
    clearTimeout(this.#idle);
    let ran = false;
    session.on("error" as "close", () => undefined);
    session.on("close", () => {
      this.#sessions--;
      if (this.#sessions === 0) this.#watchIdle();
    });
    session.on("exec", (accept, reject, { command }) => {
      if (ran) return void reject();
      ran = true;
      const channel = accept();
      channel.on("error", () => undefined);
      channel.stderr.on("error", () => undefined);
      void this.#run(command, channel);
    });
    // Terminals, shells, subsystems, agents, environments and the like have no listener: ssh2 refuses them.
  }

  async #run(command: string, channel: ServerChannel): Promise<void> {
    const { commands, trusted, logger } = this.#options;
    const known = { ...commands.everybody, ...(trusted ? commands.peers : {}) };
    const run = Object.hasOwn(known, command) ? known[command] : undefined;
    let code = 0;
    if (run === undefined) {
      const names = Object.keys(commands.everybody).join(", ");
      channel.stderr.write(`no such command; there is: ${names}\n`);
      code = 127;
    } else {
      try {
        await run(channel);
      } catch (error) {
        logger.debug("an SSH command failed", { command, error: describeError(error) });
        if (channel.writable) channel.stderr.write(`${describeError(error)}\n`);
        code = 1;
      }
    }
    if (!channel.writable) return void channel.destroy();
    channel.exit(code);
    channel.end();
  }

  #watchIdle(): void {
    this.#idle = setTimeout(() => this.#options.client.end(), idleMs);
    this.#idle.unref();
  }
}
