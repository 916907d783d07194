// The program as users run it: `app-metrics-proxy serve` in its own process.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Agent, request } from "undici";
import { cpuTime, peakMemory } from "./worker.mjs";

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** Starts the daemon with these targets, and waits for the end of its first scan. */
export async function startDaemon({ targets, folder, interval, onExit, scheme = "http", settings = {} }) {
  const child = spawn(process.execPath, [program, "serve"], {
    env: {
      ...process.env,
      TARGETS_FILE: targets.targetsFile,
      CACHE_DIR: await mkdtemp(join(folder, "cache-")),
      SCRAPE_INTERVAL: String(interval),
      LISTEN_ADDRESS: "127.0.0.1:0",
      LOG_LEVEL: "info",
      LOG_FORMAT: "json",
      // Ignores a Docker engine on this machine.
      DOCKER_HOST: "unix:///nonexistent/docker.sock",
      ...settings,
    },
    stdio: ["ignore", "inherit", "pipe"],
  });
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  onExit(stop);
  const url = `${scheme}://127.0.0.1:${await portOf(child)}`;
  while (!(await isReady(url))) await sleep(100);
  return { url, pid: child.pid, stop };
}

/** Measures `count` scans of the daemon with its own schedule. The expositions change between the scans. */
export async function measureDaemon({ targets, folder, count, onExit }) {
  const interval = 2;
  const daemon = await startDaemon({ targets, folder, interval, onExit });
  await letScan(targets, interval, 4);
  const before = await scanFigures(daemon.url);
  const cpuBefore = cpuTime(daemon.pid);
  await letScan(targets, interval, count);
  const cpu = cpuTime(daemon.pid) - cpuBefore;
  const after = await scanFigures(daemon.url);
  const peak = peakMemory(daemon.pid);
  await daemon.stop();
  const scans = after.count - before.count;
  return { interval, scans, wall: (after.seconds - before.seconds) / scans, cpu: cpu / scans, peak };
}

/** Scans start at multiples of the interval: changes the expositions in between, without a request to the daemon. */
async function letScan(targets, interval, count) {
  const milliseconds = interval * 1000;
  for (let scan = 0; scan < count; scan++) {
    const phase = Date.now() % milliseconds;
    await sleep(((0.8 * milliseconds - phase + milliseconds) % milliseconds) + 1);
    await targets.advance();
  }
}

async function isReady(url) {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  const { statusCode, body } = await request(`${url}/-/ready`, { dispatcher });
  await body.dump();
  await dispatcher.close();
  return statusCode === 200;
}

async function scanFigures(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = (name) => Number(new RegExp(`^app_metrics_proxy_${name} (.+)$`, "m").exec(text)[1]);
  return { seconds: value("scan_duration_seconds_sum"), count: value("scan_duration_seconds_count") };
}

/** The port, from the daemon's log. The rest of the log is dropped, unless the daemon ends. */
async function portOf(child) {
  const lines = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    if (!line.includes('"listening"')) continue;
    child.stderr.resume();
    return JSON.parse(line).port;
  }
  throw new Error(`the proxy did not start:\n${lines.join("\n")}`);
}
