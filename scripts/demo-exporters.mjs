// Small exporters with metrics of this machine, read at each scrape; one server per subject, as on a real machine.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import os from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";

/**
 * Starts the exporters on free loopback ports.
 *
 * @returns their targets in Prometheus' file_sd format, and `stop`.
 */
export async function startExporters() {
  const exporters = await Promise.all(Object.entries(subjects).map(start));
  return {
    targets: exporters.map(({ job, server }) => ({
      targets: [`127.0.0.1:${server.address().port}`],
      labels: { job, instance: os.hostname() },
    })),
    stop() {
      for (const { server } of exporters) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

async function start([job, collect]) {
  const server = createServer(async (request, response) => {
    if (request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    try {
      const text = (await collect()).map(familyText).join("");
      response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" }).end(text);
    } catch (error) {
      response.writeHead(500, { "Content-Type": "text/plain" }).end(`${error.message}\n`);
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return { job, server };
}

const subjects = { memory, cpu, network, "demo-process": processFigures };

async function memory() {
  const info = await procLines("/proc/meminfo");
  const bytes = info
    ? info.flatMap((line) => {
        const match =
          /^(MemTotal|MemFree|MemAvailable|Buffers|Cached|SwapTotal|SwapFree|Dirty):\s+(\d+) kB$/.exec(line);
        return match ? [{ labels: { kind: match[1] }, value: Number(match[2]) * 1024 }] : [];
      })
    : [
        { labels: { kind: "MemTotal" }, value: os.totalmem() },
        { labels: { kind: "MemFree" }, value: os.freemem() },
      ];
  return [gauge("machine_memory_bytes", "Memory of this machine by kind.", bytes)];
}

async function cpu() {
  const lines = (await procLines("/proc/stat")) ?? [];
  const switches = lines.find((line) => line.startsWith("ctxt "));
  const seconds = os
    .cpus()
    .flatMap(({ times }, cpu) =>
      Object.entries(times).map(([mode, spent]) => ({ labels: { cpu, mode }, value: spent / 1000 })),
    );
  const load = os.loadavg().map((value, at) => ({ labels: { minutes: [1, 5, 15][at] }, value }));
  return [
    counter("machine_cpu_seconds_total", "Seconds that each CPU spent in each mode.", seconds),
    gauge("machine_load_average", "Average number of running or waiting processes.", load),
    gauge("machine_uptime_seconds", "Seconds since this machine was started.", [{ value: os.uptime() }]),
    ...(switches
      ? [
          counter("machine_context_switches_total", "Context switches.", [
            { value: Number(switches.slice(5)) },
          ]),
        ]
      : []),
  ];
}

async function network() {
  const received = [];
  const sent = [];
  for (const line of (await procLines("/proc/net/dev")) ?? []) {
    const match = /^\s*([^:\s]+):\s*(.*)$/.exec(line);
    if (!match) continue;
    const fields = match[2].trim().split(/\s+/).map(Number);
    received.push({ labels: { device: match[1] }, value: fields[0] });
    sent.push({ labels: { device: match[1] }, value: fields[8] });
  }
  const addresses = Object.entries(os.networkInterfaces()).map(([device, all]) => ({
    labels: { device },
    value: all.length,
  }));
  return [
    gauge("machine_network_addresses", "Addresses of each network device.", addresses),
    counter("machine_network_received_bytes_total", "Received bytes.", received),
    counter("machine_network_sent_bytes_total", "Sent bytes.", sent),
  ];
}

const delay = monitorEventLoopDelay();
delay.enable();

async function processFigures() {
  const { user, system } = process.cpuUsage();
  const memory = Object.entries(process.memoryUsage()).map(([kind, value]) => ({ labels: { kind }, value }));
  const delays = Object.entries({ mean: delay.mean, p99: delay.percentile(99), max: delay.max }).map(
    ([statistic, nanoseconds]) => ({ labels: { statistic }, value: nanoseconds / 1e9 }),
  );
  return [
    counter("demo_process_cpu_seconds_total", "CPU time of the demo process.", [
      { labels: { mode: "user" }, value: user / 1e6 },
      { labels: { mode: "system" }, value: system / 1e6 },
    ]),
    gauge("demo_process_memory_bytes", "Memory of the demo process by kind.", memory),
    gauge("demo_process_event_loop_delay_seconds", "Delay of its timers.", delays),
  ];
}

/** The lines of a file in /proc; undefined on systems without it. */
async function procLines(path) {
  try {
    return (await readFile(path, "utf8")).split("\n");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

const counter = (name, help, samples) => ({ type: "counter", name, help, samples });
const gauge = (name, help, samples) => ({ type: "gauge", name, help, samples });

function familyText({ type, name, help, samples }) {
  if (samples.length === 0) return "";
  const lines = samples.map(({ labels = {}, value }) => `${name}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function labelText(labels) {
  const pairs = Object.entries(labels).map(([name, value]) => {
    const escaped = String(value).replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
    return `${name}="${escaped}"`;
  });
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}
