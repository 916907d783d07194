import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { request } from "undici";
import { expect, onTestFinished, vi } from "vitest";
import { freePort } from "./free-port.js";
import { tempFolder } from "./temp-folder.js";

/** The path of the built program. */
export const builtProgram = join(import.meta.dirname, "../../dist/main.js");

/** @throws Error if it is not built. */
export function requireBuild(): void {
  if (!existsSync(builtProgram))
    throw new Error("these tests run the built program: npm run build comes first");
}

/** The environment of the proxy: no variables of this machine, and no Docker engine. */
export function bareEnvironment(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return {
    PATH: process.env["PATH"],
    CACHE_DIR: tempFolder(),
    DOCKER_HOST: "unix:///nowhere/docker.sock",
    ...settings,
  };
}

/** The built proxy as a running process. */
export interface BuiltProxy {
  readonly port: number;
  readonly child: ChildProcess;
  /** Its exit code, once it has ended. */
  readonly ended: Promise<number | null>;
  log(): string;
  get(path: string, authorization?: string): Promise<{ readonly status: number; readonly text: string }>;
  /** Memory of the process, in bytes. */
  memory(): number;
}

/** Starts the proxy and waits until it is ready, or only healthy. It is killed after the test. */
export async function startBuiltProxy(
  settings: Readonly<Record<string, string>>,
  until = "/-/ready",
  program = builtProgram,
): Promise<BuiltProxy> {
  const port = await freePort();
  const env = bareEnvironment({ LISTEN_ADDRESS: `127.0.0.1:${port}`, ...settings });
  const child = spawn(process.execPath, [program], { env, stdio: ["ignore", "ignore", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const get = async (path: string, authorization?: string) => {
    const headers = authorization === undefined ? {} : { authorization };
    const { statusCode, body } = await request(`http://127.0.0.1:${port}${path}`, { headers });
    return { status: statusCode, text: await body.text() };
  };
  await vi.waitFor(async () => expect((await get(until)).status).toBe(200), {
    timeout: 30_000,
    interval: 50,
  });
  const memory = () => {
    const [, kilobytes] =
      /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? [];
    return Number(kilobytes) * 1024;
  };
  return { port, child, ended, log: () => log, get, memory };
}
