import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

const exec = promisify(execFile);

/** What an engine is given of the machine: a network of its own, or the machine's (to build with). */
export type NetworkMode = "own" | "machine";

/**
 * A place for one engine: process, mount and host name spaces of its own, mostly a network too.
 *
 * All of it hangs on one process that reads from a pipe. When it is closed, or this process dies in whatever
 * way, the kernel ends everything inside and with it every mount, bridge and firewall rule: nothing needs
 * finding and undoing afterwards.
 */
export interface Namespace {
  /** The process that holds the place open. */
  readonly pid: number;
  /** The words that start a command inside: `[command, ...arguments]`. */
  enter(command: string, ...args: string[]): [string, string[]];
  /** Runs a command inside and answers what it prints; its failure rejects with what it said. */
  run(command: string, ...args: string[]): Promise<string>;
  /** Ends everything inside; resolves when it is gone. */
  close(): Promise<void>;
}

/** Opens a place with the host name `hostname`. Needs root. */
export async function openNamespace(hostname: string, network: NetworkMode): Promise<Namespace> {
  const kinds = ["--mount", "--uts", "--ipc", "--pid", ...(network === "own" ? ["--net"] : [])];
  // A shell that waits for its child also waits for orphans, as the first process of a place has to.
  const script = `hostname "${hostname}"; echo open; cat >/dev/null; :`;
  const holder = spawn("unshare", [...kinds, "--fork", "--kill-child", "--mount-proc", "sh", "-c", script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await firstOutput(holder);
  const pid = await firstChildOf(holder.pid!);
  const enter = (command: string, ...args: string[]): [string, string[]] => [
    "nsenter",
    ["--target", String(pid), ...kinds, command, ...args],
  ];
  return {
    pid,
    enter,
    run: async (command, ...args) => (await exec(...enter(command, ...args))).stdout,
    async close() {
      if (holder.exitCode !== null || holder.signalCode !== null) return;
      const gone = once(holder, "exit");
      holder.stdin!.destroy();
      await gone;
    },
  };
}

async function firstOutput(child: ChildProcess): Promise<void> {
  const failed = once(child, "exit").then(([code]) => {
    throw new Error(`no place for an engine: unshare ended with code ${code}`);
  });
  await Promise.race([once(child.stdout!, "data"), failed]);
  failed.catch(() => {});
}

async function firstChildOf(pid: number): Promise<number> {
  const { stdout } = await exec("ps", ["-o", "pid=", "--ppid", String(pid)]);
  return Number(stdout.trim().split(/\s+/)[0]);
}
