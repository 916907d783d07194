import { fork } from "node:child_process";
import { once } from "node:events";
import { getPriority, setPriority } from "node:os";
import { join } from "node:path";

/** What a child process does. */
interface Work<R, F> {
  /** What the parent needs to know once the child has started. */
  readonly ready: R;
  /** Runs on each command of the parent. */
  readonly commands: Readonly<Record<string, (argument: string) => F | Promise<F>>>;
}

/** A child process of the load test. */
export interface Child<R, F> {
  readonly ready: R;
  /** Rejects when the process ends. */
  readonly ended: Promise<never>;
  /** Sends a command. @returns its result */
  send(command: string, argument?: string): Promise<F>;
  /** Ends the process, with all its connections. */
  kill(): Promise<void>;
}

/** Starts a module of this folder in its own process, so that no part of the load test delays another. */
export async function startChild<R, F = void>(module: string, options: unknown): Promise<Child<R, F>> {
  const child = fork(join(import.meta.dirname, `${module}.js`), [JSON.stringify(options)]);
  const ended = new Promise<never>((_, reject) =>
    child.once("exit", (code, signal) => reject(new Error(`${module} ended with ${code ?? signal}`))),
  );
  ended.catch(() => undefined);
  const receive = async () => (await Promise.race([once(child, "message"), ended]))[0];
  return {
    ready: await receive(),
    ended,
    async send(command, argument = "") {
      const result = receive();
      child.send([command, argument]);
      return await result;
    },
    async kill() {
      child.kill("SIGKILL");
      await ended.catch(() => undefined);
    },
  };
}

/**
 * To be called in a module that runs as a child.
 *
 * @param hostile whether it leaves CPU time to other processes, as if it ran on another machine.
 */
export async function runChild<O, R, F>(
  hostile: boolean,
  start: (options: O) => Promise<Work<R, F>>,
): Promise<void> {
  if (hostile) setPriority(Math.min(19, getPriority() + 15));
  process.on("disconnect", () => process.exit());
  const { ready, commands } = await start(JSON.parse(process.argv[2]!) as O);
  process.on("message", ([command, argument]: [string, string]) => {
    void Promise.resolve(commands[command]!(argument)).then((result) => process.send!(result ?? null));
  });
  process.send!(ready ?? null);
}
