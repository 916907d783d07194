import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/free-port.js";
import { ProxyClient } from "./proxy-client.js";

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** A line of the proxy's log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** The built proxy as a process on this machine. */
export interface ProxyProcess {
  readonly client: ProxyClient;
  /** The log so far. */
  readonly log: readonly LogLine[];
  /** Stops it with SIGTERM. Returns its exit code. */
  stop(): Promise<number | null>;
  /** Stops it with SIGKILL, as a power failure does. */
  kill(): Promise<void>;
}

/**
 * Starts the built proxy and waits until it responds. CACHE_DIR is a temporary folder by default. The proxy does not
 * inherit the environment of the tests.
 *
 * @param settings environment variables.
 */
export async function startProxy(settings: Readonly<Record<string, string>>): Promise<ProxyProcess> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-e2e-"));
  const child = spawn(process.execPath, [program, "serve"], {
    env: {
      PATH: process.env["PATH"],
      LOG_FORMAT: "json",
      LISTEN_ADDRESS: `127.0.0.1:${port}`,
      CACHE_DIR: join(folder, "cache"),
      ...settings,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const log: LogLine[] = [];
  createInterface(child.stderr).on("line", (line) => log.push(parseLine(line)));
  const exited = once(child, "exit");
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await exited;
    await rm(folder, { recursive: true, force: true });
    return child.exitCode;
  };
  const proxy: ProxyProcess = {
    client: new ProxyClient(`http://127.0.0.1:${port}`),
    log,
    stop: () => end("SIGTERM"),
    kill: async () => void (await end("SIGKILL")),
  };
  try {
    await proxy.client.untilHealthy(() => child.exitCode === null && child.signalCode === null);
  } catch (error) {
    await proxy.kill();
    throw new Error(`the proxy did not start:\n${log.map((line) => JSON.stringify(line)).join("\n")}`, {
      cause: error,
    });
  }
  return proxy;
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { level: "not JSON", message: line };
  }
}
