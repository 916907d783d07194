import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/free-port.js";

/** The state of a process, from /proc. */
export interface ProcessState {
  /** Resident memory in bytes. */
  readonly memory: number;
  readonly files: number;
  readonly connections: number;
  /** CPU time in seconds. */
  readonly cpu: number;
}

/** A proxy in its own process, started as in the image. */
export interface ProxyProcess {
  readonly port: number;
  readonly sshPort: number;
  readonly url: string;
  /** Lists its targets; empty at first. */
  readonly targetsFile: string;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  alive(): boolean;
  /** How often it logged each warning and error. */
  readonly complaints: ReadonlyMap<string, number>;
  state(): ProcessState;
  /** The highest resident memory so far, in bytes; that of the last second if the process has ended. */
  peakMemory(): number;
}

export interface ProxyOptions {
  /** Folder of the program. */
  readonly tree: string;
  /** Folder for temporary files. */
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Options of Node. */
  readonly execArgv?: readonly string[];
}

const seconds = 1000;
const dockerSocket = "/var/run/docker.sock";

/** Starts a proxy on free ports of loopback, and waits until it is ready. */
export async function startProxyProcess(
  { tree, folder, settings, execArgv = [] }: ProxyOptions,
  cleanUps: (() => Promise<void> | void)[],
): Promise<ProxyProcess> {
  if (existsSync(dockerSocket))
    throw new Error(`${dockerSocket} exists: the proxy would scrape its containers`);
  const own = mkdtempSync(join(folder, "proxy-"));
  // Two proxies on one machine must differ in this setting.
  const port = await freePort();
  const targetsFile = join(own, "targets.json");
  writeFileSync(targetsFile, "[]");
  const child = spawn(
    process.execPath,
    ["--max-semi-space-size=8", ...execArgv, join(tree, "dist/main.js"), "serve"],
    {
      env: {
        PATH: process.env["PATH"],
        NODE_ENV: "production",
        TARGETS_FILE: targetsFile,
        CACHE_DIR: join(own, "cache"),
        LISTEN_ADDRESS: `127.0.0.1:${port}`,
        SSH_LISTEN_ADDRESS: "127.0.0.1:0",
        LOG_FORMAT: "json",
        ...settings,
      },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const alive = () => child.exitCode === null && child.signalCode === null;
  const stop = async () => {
    if (!alive()) return;
    child.kill("SIGTERM");
    const kill = setTimeout(() => child.kill("SIGKILL"), 15 * seconds);
    await ended;
    clearTimeout(kill);
  };
  cleanUps.unshift(stop);
  const ports: Record<string, number> = {};
  const complaints = new Map<string, number>();
  let lastLine = "";
  createInterface({ input: child.stderr! }).on("line", (line) => {
    lastLine = line;
    const entry = parse(line);
    if (entry.port !== undefined) ports[entry.message] = entry.port;
    if (entry.level !== "info") complaints.set(entry.message, (complaints.get(entry.message) ?? 0) + 1);
  });
  const deadline = Date.now() + 60 * seconds;
  const isReady = async (port: number | undefined) =>
    port !== undefined && (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok;
  while (ports["replication started"] === undefined || !(await isReady(ports["listening"]))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`proxy not started: ${lastLine}`);
    await sleep(100);
  }
  let peak = 0;
  const notePeak = () => {
    // A process that is ending has no such line any more.
    if (alive()) peak = Math.max(peak, memoryOf(child.pid!, "VmHWM") || 0);
  };
  setInterval(notePeak, seconds).unref();
  return {
    port,
    sshPort: ports["replication started"],
    url: `http://127.0.0.1:${port}`,
    targetsFile,
    ended,
    alive,
    complaints,
    state: () => stateOf(child.pid!),
    peakMemory: () => {
      notePeak();
      return peak;
    },
  };
}

function parse(line: string): { level: string; message: string; port?: number } {
  try {
    return JSON.parse(line);
  } catch {
    return { level: "error", message: line.slice(0, 200) };
  }
}

function stateOf(pid: number): ProcessState {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return undefined;
    }
  });
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  const ticksPerSecond = 100;
  const files = links.filter((link) => link !== undefined);
  return {
    memory: memoryOf(pid, "VmRSS"),
    files: files.length,
    connections: files.filter((link) => link.startsWith("socket:")).length,
    cpu: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
  };
}

function memoryOf(pid: number, field: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
}
