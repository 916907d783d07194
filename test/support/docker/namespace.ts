import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

const exec = promisify(execFile);

/** Whether an engine has its own network, or that of the machine (to build images). */
export type NetworkMode = "own" | "machine";

/**
 * Linux namespaces for one engine: processes, mounts, hostname, and usually network.
 *
 * One process, which reads from a pipe, keeps them open. When the pipe is closed, or this process ends in any way, the
 * kernel ends all processes inside and removes all mounts, bridges and firewall rules: no cleanup is needed.
 */
export interface Namespace {
  /** The process that keeps the namespaces open. */
  readonly pid: number;
  /** The command line that runs a command inside. */
  enter(command: string, ...args: string[]): [string, string[]];
  /** Runs a command inside. Returns its output. @throws Error with its output if it fails. */
  run(command: string, ...args: string[]): Promise<string>;
  /** Ends all processes inside, and waits for it. */
  close(): Promise<void>;
}

/** Creates namespaces with this hostname. Needs root. */
export async function openNamespace(hostname: string, network: NetworkMode): Promise<Namespace> {
  const kinds = ["--mount", "--uts", "--ipc", "--pid", ...(network === "own" ? ["--net"] : [])];
  // Process 1 has to reap orphans: a shell that waits for its child does.
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
    throw new Error(`namespaces not created: unshare ended with code ${code}`);
  });
  await Promise.race([once(child.stdout!, "data"), failed]);
  failed.catch(() => {});
}

async function firstChildOf(pid: number): Promise<number> {
  const { stdout } = await exec("ps", ["-o", "pid=", "--ppid", String(pid)]);
  return Number(stdout.trim().split(/\s+/)[0]);
}
