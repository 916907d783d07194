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
  /** The node's name, as the engine's `/info` tells it. */
  readonly hostname?: string;
  /** Whether containers live on while the engine is stopped. */
  readonly liveRestore?: boolean;
  /** `machine`: no container networks, but the machine's own for `docker build --network host`. */
  readonly network?: NetworkMode;
  /** How a network of its own is joined to others; to this machine alone unless told. Called at each power-on. */
  readonly connect?: (namespace: Namespace) => Promise<Addresses>;
}

/** A real Docker engine of the tests' own. */
export interface Engine {
  readonly hostname: string;
  /** A value for DOCKER_HOST. */
  readonly host: string;
  /** The path of the socket as containers and processes on the engine's node see it. */
  readonly socketOnNode: string;
  /** Where this machine reaches containers in the host's network: a value for HOST_ADDRESS. */
  readonly address: string;
  /** Runs the Docker client and answers what it prints, trimmed; rejects with what it says on failure. */
  docker(args: readonly string[], options?: ClientOptions): Promise<string>;
  /** Ends the daemon, as `systemctl stop docker` does. With liveRestore its containers live on. */
  stopDaemon(): Promise<void>;
  /** Starts the daemon again over the same data. */
  startDaemon(): Promise<void>;
  /** Ends the daemon without warning. Its containers live on, until it starts again. */
  killDaemon(): Promise<void>;
  /** Ends the node as a power cut does: the daemon and all containers at once. What is on disk stays. */
  powerOff(): Promise<void>;
  /** Boots the node again over the same data. */
  powerOn(): Promise<void>;
  /** Ends the engine and all its containers and removes what it left. */
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

/** A place and the engine in it. */
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
    this.#daemon = spawn(...this.#place.enter("dockerd", ...this.#flags), {
      stdio: ["ignore", log.fd, log.fd],
    });
    await log.close();
    await this.#answers(this.#daemon);
    if (this.#own) await allowFromMachine(this.#place);
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
    // What lies in memory on a real node.
    for (const name of ["run", "exec", "pid"]) await rm(join(folder, name), { recursive: true, force: true });
    await mkdir(join(folder, "run"));
    this.#namespace = await openNamespace(hostname, network);
    if (this.#own) {
      this.#addresses = await connect(this.#namespace);
      await furnish(this.#namespace, folder);
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

  get #place(): Namespace {
    if (this.#namespace === undefined) throw new Error(`${this.hostname} is switched off`);
    return this.#namespace;
  }

  get #flags(): string[] {
    const at = (name: string) => join(this.#folder, name);
    return [
      ...["--config-file", at("daemon.json"), "--data-root", at("data"), "--exec-root", at("exec")],
      ...["--pidfile", at("pid"), "--host", `unix://${this.socketOnNode}`],
      // The default asks systemd, which is not in here.
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
    await this.#place.run("kill", `-${signal}`, (await readFile(join(this.#folder, "pid"), "utf8")).trim());
    await gone;
    // A killed one leaves it, and the next may get the number of another process that lives.
    await rm(join(this.#folder, "pid"), { force: true });
  }

  async #answers(daemon: ChildProcess): Promise<void> {
    for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
      try {
        await this.docker(["version"]);
        return;
      } catch (error) {
        if (daemon.exitCode === null && Date.now() < deadline) continue;
        const log = await readFile(join(this.#folder, "log"), "utf8");
        throw new Error(`the engine does not start:\n${log.slice(-3000)}`, { cause: error });
      }
    }
  }
}

/** Gives the node its own `/run` and `/etc/docker`, and a `/sys` that shows its own network devices. */
async function furnish(namespace: Namespace, folder: string): Promise<void> {
  const script = `set -e
    mkdir -p "$1/etc" "$1/cgroup" /etc/docker
    mount --bind "$1/run" /run
    mount --bind "$1/etc" /etc/docker
    mount --rbind /sys/fs/cgroup "$1/cgroup"
    mount -t sysfs sysfs /sys
    mount --rbind "$1/cgroup" /sys/fs/cgroup`;
  await namespace.run("sh", "-c", script, "sh", folder);
}
