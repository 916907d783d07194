import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fixedPort } from "./fixed-port.js";

/** A target of a proxy. */
export interface ProxyTarget {
  readonly job: string;
  readonly instance: string;
  readonly port: number;
}

/** The built program in a process that can be killed and started again with the same ports and the same cache. */
export class ProxyProcess {
  readonly name: string;
  readonly port: number;
  readonly sshPort: number;
  readonly url: string;
  log = "";
  readonly #folder: string;
  readonly #targetsFile: string;
  #settings: Readonly<Record<string, string>> = {};
  #child: ChildProcess | undefined;

  private constructor(name: string, folder: string, port: number, sshPort: number) {
    this.name = name;
    this.port = port;
    this.sshPort = sshPort;
    this.url = `http://127.0.0.1:${port}`;
    this.#folder = folder;
    this.#targetsFile = join(folder, `targets-${name}.json`);
  }

  /** A proxy without targets, which `start` starts. */
  static async create(name: string, folder: string): Promise<ProxyProcess> {
    const proxy = new ProxyProcess(name, folder, await fixedPort(), await fixedPort());
    proxy.list([]);
    return proxy;
  }

  /** Replaces its targets. */
  list(targets: readonly ProxyTarget[]): void {
    const groups = targets.map(({ job, instance, port }) => ({
      targets: [`127.0.0.1:${port}`],
      labels: { job, instance },
    }));
    writeFileSync(`${this.#targetsFile}.new`, JSON.stringify(groups));
    renameSync(`${this.#targetsFile}.new`, this.#targetsFile);
  }

  /** Starts the process and waits until it responds. @param settings environment variables; by default those of the last start */
  async start(settings = this.#settings): Promise<void> {
    this.#settings = settings;
    const child = spawn(process.execPath, [resolve("dist/main.js"), "serve"], {
      env: {
        PATH: process.env["PATH"],
        NODE_ENV: "production",
        LOG_FORMAT: "json",
        LISTEN_ADDRESS: `127.0.0.1:${this.port}`,
        SSH_LISTEN_ADDRESS: `127.0.0.1:${this.sshPort}`,
        TARGETS_FILE: this.#targetsFile,
        CACHE_DIR: join(this.#folder, `cache-${this.name}`),
        ...settings,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    child.stderr.on("data", (chunk) => (this.log += chunk));
    const deadline = Date.now() + 60_000;
    while (!(await this.get("/-/healthy").catch(() => undefined))?.ok) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`the proxy did not start:\n${this.log}`);
      await sleep(50);
    }
  }

  get(path: string): Promise<Response> {
    return fetch(this.url + path, { signal: AbortSignal.timeout(5000) });
  }

  /** Sends a signal, such as SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends the process as a power failure does. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
}
