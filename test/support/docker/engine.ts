import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { controlGroupOf, makeFolder, removeFolder, removeLeftovers } from "./leftovers.js";
import { allowFromMachine, connect } from "./link.js";
import { type Namespace, type NetworkMode, openNamespace } from "./namespace.js";

export interface EngineOptions {
  /** The node's name, as the engine's `/info` tells it. */
  readonly hostname?: string;
  /** Whether containers live on while the engine is stopped. */
  readonly liveRestore?: boolean;
  /** `machine`: no container networks, but the machine's own for `docker build --network host`. */
  readonly network?: NetworkMode;
}

/** What the Docker client is given. */
export interface ClientOptions {
  /** Its standard input; none unless told. */
  readonly input?: Readable;
  /** Variables beside those of this process. */
  readonly environment?: Readonly<Record<string, string>>;
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
  /** Ends the engine and all its containers and removes what it left. */
  stop(): Promise<void>;
}

/** Starts an engine with empty storage. Needs root, `dockerd` and a few seconds. */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  await removeLeftovers();
  const { hostname = "node-1", network = "own" } = options;
  const folder = await makeFolder();
  const namespace = await openNamespace(hostname, network);
  try {
    return await startIn(namespace, folder, { ...options, hostname, network });
  } catch (error) {
    await namespace.close();
    await removeFolder(folder);
    throw error;
  }
}

async function startIn(
  namespace: Namespace,
  folder: string,
  { hostname, network, liveRestore }: EngineOptions & { hostname: string; network: NetworkMode },
): Promise<Engine> {
  const run = join(folder, "run");
  await mkdir(run);
  await mkdir(join(folder, "client"));
  await writeFile(join(folder, "daemon.json"), "{}");
  const own = network === "own";
  const addresses = own ? await connect(namespace) : undefined;
  if (own) await furnish(namespace, folder);
  const socketOnNode = own ? "/run/docker.sock" : join(run, "docker.sock");
  const host = `unix://${join(run, "docker.sock")}`;
  const flags = [
    ...["--config-file", join(folder, "daemon.json"), "--data-root", join(folder, "data")],
    ...[
      "--exec-root",
      join(folder, "exec"),
      "--pidfile",
      join(folder, "pid"),
      "--host",
      `unix://${socketOnNode}`,
    ],
    // The default asks systemd, which is not in here.
    ...["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", `/${controlGroupOf(folder)}`],
    ...(addresses
      ? ["--bip", addresses.bridge, "--default-address-pool", `base=${addresses.pool},size=26`]
      : ["--bridge=none", "--iptables=false"]),
    ...(liveRestore ? ["--live-restore"] : []),
  ];
  const docker = (args: readonly string[], options?: ClientOptions) => client(folder, host, args, options);
  let daemon: ChildProcess | undefined;

  const startDaemon = async () => {
    const log = await open(join(folder, "log"), "a");
    daemon = spawn(...namespace.enter("dockerd", ...flags), { stdio: ["ignore", log.fd, log.fd] });
    await log.close();
    await answers(docker, daemon, folder);
    if (own) await allowFromMachine(namespace);
  };
  const stopDaemon = async () => {
    if (!daemon || daemon.exitCode !== null) return;
    const gone = once(daemon, "exit");
    await namespace.run("kill", (await readFile(join(folder, "pid"), "utf8")).trim());
    await gone;
  };

  await startDaemon();
  return {
    hostname,
    host,
    socketOnNode,
    address: addresses?.node ?? "127.0.0.1",
    docker,
    stopDaemon,
    startDaemon,
    async stop() {
      await namespace.close();
      await removeFolder(folder);
    },
  };
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

async function answers(docker: Engine["docker"], daemon: ChildProcess, folder: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
    try {
      await docker(["version"]);
      return;
    } catch (error) {
      if (daemon.exitCode === null && Date.now() < deadline) continue;
      const log = await readFile(join(folder, "log"), "utf8");
      throw new Error(`the engine does not start:\n${log.slice(-3000)}`, { cause: error });
    }
  }
}

async function client(
  folder: string,
  host: string,
  args: readonly string[],
  { input, environment }: ClientOptions = {},
): Promise<string> {
  const child = spawn("docker", args, {
    // A developer's own settings and contexts stay out; the classic builder needs no plugin.
    env: {
      ...process.env,
      DOCKER_HOST: host,
      DOCKER_CONFIG: join(folder, "client"),
      DOCKER_BUILDKIT: "0",
      ...environment,
    },
    stdio: [input ? "pipe" : "ignore", "pipe", "pipe"],
  });
  const output: Buffer[] = [];
  const complaints: Buffer[] = [];
  child.stdout!.on("data", (data: Buffer) => output.push(data));
  child.stderr!.on("data", (data: Buffer) => complaints.push(data));
  const closed = once(child, "close");
  // A client that ends early breaks the pipe; what it says tells more than that.
  if (input) await pipeline(input, child.stdin!).catch(() => {});
  const [code] = await closed;
  if (code === 0) return Buffer.concat(output).toString().trim();
  const said = Buffer.concat([...output.slice(-20), ...complaints])
    .toString()
    .trim();
  throw new Error(`docker ${args.join(" ").slice(0, 200)} ended with code ${code}: ${said}`);
}
