import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ClientOptions, runClient } from "./client.js";
import {
  controlGroupOf,
  makeFolder,
  removeControlGroups,
  removeFolder,
  removeLeftovers,
} from "./leftovers.js";
import { type Addresses, allowFromMachine, connect } from "./link.js";
import { type Namespace, type NetworkMode, openNamespace } from "./namespace.js";

export interface EngineOptions {
  /** The name of the node in `/info` of the engine. */
  readonly hostname?: string;
  /** Whether containers continue to run while the engine is stopped. */
  readonly liveRestore?: boolean;
  /** `machine`: the network of this machine, without container networks, for `docker build --network host`. */
  readonly network?: NetworkMode;
  /** Connects the network of the node, at each start. Default: to this machine only. */
  readonly connect?: (namespace: Namespace) => Promise<Addresses>;
}

/** A Docker engine that a test starts. */
export interface Engine {
  readonly hostname: string;
  /** A value for DOCKER_HOST. */
  readonly host: string;
  /** The path of the socket for containers and processes on the node. */
  readonly socketOnNode: string;
  /** The address of containers in the host's network, for this machine: a value for HOST_ADDRESS. */
  readonly address: string;
  /** Runs the Docker client. Returns its output, trimmed. @throws Error with its output if it fails. */
  docker(args: readonly string[], options?: ClientOptions): Promise<string>;
  /** Stops the daemon, as `systemctl stop docker` does. With liveRestore, its containers continue to run. */
  stopDaemon(): Promise<void>;
  /** Starts the daemon again with the same data. */
  startDaemon(): Promise<void>;
  /** Kills the daemon. Its containers continue to run until it starts again. */
  killDaemon(): Promise<void>;
  /** Ends the daemon and all containers at once, as a power failure does. Files remain. */
  powerOff(): Promise<void>;
  /** Starts the node again with the same data. */
  powerOn(): Promise<void>;
  /** Ends the engine and all its containers, and removes its files. */
  stop(): Promise<void>;
}

/** Starts an engine with empty storage. Needs root, `dockerd` and a few seconds. */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  await removeLeftovers();
  const folder = await makeFolder();
  await mkdir(join(folder, "client"));
  await writeFile(join(folder, "daemon.json"), "{}");
  const { hostname = "node-1", network = "own" } = options;
  const node = new Node(folder, { connect, liveRestore: false, ...options, hostname, network });
  try {
    await node.powerOn();
    return node;
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** A namespace and the engine in it. */
class Node implements Engine {
  readonly #folder: string;
  readonly #options: Required<EngineOptions>;
  #namespace: Namespace | undefined;
  #addresses: Addresses | undefined;
  #daemon: ChildProcess | undefined;

  constructor(folder: string, options: Required<EngineOptions>) {
    this.#folder = folder;
    this.#options = options;
  }

  get hostname(): string {
    return this.#options.hostname;
  }

  get host(): string {
    return `unix://${join(this.#folder, "run/docker.sock")}`;
  }

  get socketOnNode(): string {
    return this.#own ? "/run/docker.sock" : join(this.#folder, "run/docker.sock");
  }

  get address(): string {
    return this.#addresses?.node ?? "127.0.0.1";
  }

  docker(args: readonly string[], options?: ClientOptions): Promise<string> {
    return runClient({ host: this.host, settings: join(this.#folder, "client") }, args, options);
  }

  async startDaemon(): Promise<void> {
    const log = await open(join(this.#folder, "log"), "a");
    this.#daemon = spawn(...this.#running.enter("dockerd", ...this.#flags), {
      stdio: ["ignore", log.fd, log.fd],
    });
    await log.close();
    await this.#untilRunning(this.#daemon);
    if (this.#own) await allowFromMachine(this.#running);
  }

  stopDaemon(): Promise<void> {
    return this.#endDaemon("TERM");
  }

  killDaemon(): Promise<void> {
    return this.#endDaemon("KILL");
  }

  async powerOn(): Promise<void> {
    const { hostname, network, connect } = this.#options;
    const folder = this.#folder;
    // These are in memory on a real node.
    for (const name of ["run", "exec", "pid"]) await rm(join(folder, name), { recursive: true, force: true });
    await mkdir(join(folder, "run"));
    this.#namespace = await openNamespace(hostname, network);
    if (this.#own) {
      this.#addresses = await connect(this.#namespace);
      await mountFolders(this.#namespace, folder);
    }
    await this.startDaemon();
  }

  async powerOff(): Promise<void> {
    await this.#namespace?.close();
    this.#namespace = undefined;
    await removeControlGroups(controlGroupOf(this.#folder));
  }

  async stop(): Promise<void> {
    await this.#namespace?.close();
    await removeFolder(this.#folder);
  }

  get #own(): boolean {
    return this.#options.network === "own";
  }

  get #running(): Namespace {
    if (this.#namespace === undefined) throw new Error(`${this.hostname} is powered off`);
    return this.#namespace;
  }

  get #flags(): string[] {
    const at = (name: string) => join(this.#folder, name);
    return [
      ...["--config-file", at("daemon.json"), "--data-root", at("data"), "--exec-root", at("exec")],
      ...["--pidfile", at("pid"), "--host", `unix://${this.socketOnNode}`],
      // The default needs systemd.
      ...[
        "--exec-opt",
        "native.cgroupdriver=cgroupfs",
        "--cgroup-parent",
        `/${controlGroupOf(this.#folder)}`,
      ],
      ...(this.#addresses
        ? ["--bip", this.#addresses.bridge, "--default-address-pool", `base=${this.#addresses.pool},size=26`]
        : ["--bridge=none", "--iptables=false"]),
      ...(this.#options.liveRestore ? ["--live-restore"] : []),
    ];
  }

  async #endDaemon(signal: "TERM" | "KILL"): Promise<void> {
    const daemon = this.#daemon;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const gone = once(daemon, "exit");
    await this.#running.run("kill", `-${signal}`, (await readFile(join(this.#folder, "pid"), "utf8")).trim());
    await gone;
    // A killed daemon leaves the file, and another process can get its pid.
    await rm(join(this.#folder, "pid"), { force: true });
  }

  async #untilRunning(daemon: ChildProcess): Promise<void> {
    for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
      try {
        await this.docker(["version"]);
        return;
      } catch (error) {
        if (daemon.exitCode === null && Date.now() < deadline) continue;
        const log = await readFile(join(this.#folder, "log"), "utf8");
        throw new Error(`the engine did not start:\n${log.slice(-3000)}`, { cause: error });
      }
    }
  }
}

/** Mounts a `/run` and `/etc/docker` for the node, and a `/sys` with its own network devices. */
async function mountFolders(namespace: Namespace, folder: string): Promise<void> {
  const script = `set -e
    mkdir -p "$1/etc" "$1/cgroup" /etc/docker
    mount --bind "$1/run" /run
    mount --bind "$1/etc" /etc/docker
    mount --rbind /sys/fs/cgroup "$1/cgroup"
    mount -t sysfs sysfs /sys
    mount --rbind "$1/cgroup" /sys/fs/cgroup`;
  await namespace.run("sh", "-c", script, "sh", folder);
}
