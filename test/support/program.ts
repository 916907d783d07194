import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.js";

/** A program that serves HTTP on a port of loopback. */
export interface RunningProgram {
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string;
  /** The log so far. */
  log(): string;
  /** Ends it. May be called twice. */
  stop(): Promise<void>;
}

/** Whether a program is on the PATH. */
export function isOnPath(name: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Starts a program of the Prometheus project on a free port of loopback, and waits until it is ready. */
export async function startProgram(name: string, args: readonly string[]): Promise<RunningProgram> {
  const port = await freePort();
  const child = spawn(name, [`--web.listen-address=127.0.0.1:${port}`, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (data) => {
    log += data;
  });
  let failure: Error | undefined;
  child.on("error", (error) => {
    failure = error;
  });
  const url = `http://127.0.0.1:${port}`;
  const stop = () => end(child);
  const deadline = Date.now() + 20_000;
  while (!(await isReady(url))) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null) throw new Error(`${name} ended with code ${child.exitCode}:\n${log}`);
    if (Date.now() > deadline) {
      await stop();
      throw new Error(`${name} was not ready within 20 s:\n${log}`);
    }
    await sleep(50);
  }
  return { url, log: () => log, stop };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/-/ready`)).ok;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await exited;
  clearTimeout(kill);
}
