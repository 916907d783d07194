import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { testSecret } from "../replication/ssh/test-server.js";
import { behaviours } from "./behaviours.js";
import { startChild } from "./child.js";
import { shapes } from "./expositions.js";
import type { HonestFigures, HonestTarget } from "./honest.js";
import type { HostileTarget, HostileTargetsOptions } from "./hostile-targets.js";
import { peerKinds } from "./peer-kinds.js";
import type { PeersOptions } from "./peers.js";
import { type ProxyProcess, startProxyProcess } from "./proxy-process.js";
import { readers } from "./reader-kinds.js";
import type { ReadersOptions } from "./readers.js";
import { report } from "./report.js";

const mebibyte = 1024 * 1024;
/** Small, so that the loads exceed it. */
const budget = 256 * mebibyte;
/** SCRAPE_INTERVAL in seconds: the default. */
const interval = 10;
const warmUpSeconds = 2 * interval + 2;

const groups = {
  expositions: shapes,
  targets: behaviours,
  readers,
  peers: peerKinds,
  intruders: { all: true },
};
type Group = keyof typeof groups;
const allLoads = Object.entries(groups).flatMap(([group, kinds]) =>
  Object.keys(kinds).map((kind) => `${group}:${kind}`),
);

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    loads: { type: "string" },
    without: { type: "string" },
    tree: { type: "string", default: "." },
    list: { type: "boolean", default: false },
    profile: { type: "string" },
  },
});
if (options.list) {
  console.log(allLoads.join("\n"));
  process.exit();
}
const chosen = chooseLoads();
const kindsOf = (group: Group) =>
  chosen.filter((load) => load.startsWith(`${group}:`)).map((load) => load.slice(group.length + 1));

const cleanUps: (() => Promise<void> | void)[] = [];
const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.once(signal, () => reject(new Error(`interrupted by ${signal}`)));
});
interrupted.catch(() => undefined);
let ok = false;
try {
  ok = await Promise.race([run(), interrupted]);
} finally {
  for (const cleanUp of cleanUps) await cleanUp();
}
process.exit(ok ? 0 : 1);

/** @throws Error for an unknown load. */
function chooseLoads(): string[] {
  const matching = (list: string) =>
    list.split(",").flatMap((name) => {
      const found = allLoads.filter((load) => load === name || load.startsWith(`${name}:`));
      if (found.length === 0) throw new Error(`unknown load: ${name}; --list prints all`);
      return found;
    });
  const without = options.without === undefined ? [] : matching(options.without);
  return (options.loads === undefined ? allLoads : matching(options.loads)).filter(
    (load) => !without.includes(load),
  );
}

async function run(): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "app-metrics-proxy-stress-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const start: typeof startChild = async (module, childOptions) => {
    const child = await startChild<never, never>(module, childOptions);
    cleanUps.unshift(() => child.kill());
    return child;
  };

  logStep("honest targets, and expositions of the hostile ones");
  const honest = await start<HonestTarget[], HonestFigures>("honest", { interval });
  const hostileOptions: HostileTargetsOptions = {
    shapes: kindsOf("expositions"),
    behaviours: kindsOf("targets"),
  };
  const hostile = await start<HostileTarget[]>("hostile-targets", hostileOptions);

  logStep("the proxy and its peer, with honest targets only");
  const common = { tree: resolve(options.tree), folder };
  const settings = { SSHPASS: testSecret, MEMORY_MAX_BYTES: String(budget) };
  const peer = await startProxyProcess({ ...common, settings }, cleanUps);
  const proxy = await startProxyProcess(
    {
      ...common,
      settings: { ...settings, PEERS: `127.0.0.1:${peer.sshPort}` },
      execArgv:
        options.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${resolve(options.profile)}`],
    },
    cleanUps,
  );
  const list = (targets: readonly (HonestTarget & { readonly path?: string })[]) =>
    writeTargets(proxy.targetsFile, targets);
  list(honest.ready);
  await honest.send("request", proxy.url);
  await sleep(warmUpSeconds * 1000);
  const before = await stateOver(proxy, 5);

  logStep(`${options.seconds} s of hostile loads: ${chosen.join(", ")}`);
  const begun = performance.now();
  const cpuBefore = proxy.state().cpu;
  await honest.send("begin");
  list([...honest.ready, ...hostile.ready]);
  const services = [...new Set(hostile.ready.map(({ job }) => job)), "flooded"];
  const readersOptions: ReadersOptions = { port: proxy.port, readers: kindsOf("readers"), services };
  const reading = await start("readers", readersOptions);
  const peersOptions: PeersOptions = {
    port: proxy.sshPort,
    peers: kindsOf("peers"),
    intruders: kindsOf("intruders").length > 0,
  };
  const peering = await start<undefined, Record<string, number>>("peers", peersOptions);
  const children = [honest, hostile, reading, peering].map(({ ended }) => ended);
  await Promise.race([sleep(Number(options.seconds) * 1000), proxy.ended, ...children]);
  const figures = await honest.send("end");
  const seconds = (performance.now() - begun) / 1000;
  const cpu = proxy.alive() ? (proxy.state().cpu - cpuBefore) / seconds : Number.NaN;
  const [peakMemory, peerPeakMemory] = [proxy, peer].map(({ peakMemory }) => peakMemory());

  logStep("10 s without loads");
  list(honest.ready);
  console.error(`links opened by hostile peers: ${JSON.stringify(await peering.send("links"))}`);
  for (const child of [reading, peering, hostile]) await child.kill();
  await sleep(7000);
  const after = proxy.alive() ? await stateOver(proxy, 3) : { memory: 0, files: 0, connections: 0, cpu: 0 };
  for (const [complaint, count] of proxy.complaints) console.error(`logged ${count} times: ${complaint}`);
  return report({
    seconds,
    honest: figures,
    budget,
    peakMemory: peakMemory!,
    peerPeakMemory: peerPeakMemory!,
    cpu,
    before,
    after,
    alive: proxy.alive(),
  });
}

/** The state of a proxy, and its use of CPU in the given time. */
async function stateOver(proxy: ProxyProcess, seconds: number) {
  const { cpu } = proxy.state();
  await sleep(seconds * 1000);
  const state = proxy.state();
  return { ...state, cpu: (state.cpu - cpu) / seconds };
}

function writeTargets(file: string, targets: readonly (HonestTarget & { readonly path?: string })[]): void {
  const list = targets.map(({ job, instance, port, path = "/metrics" }) => ({
    targets: [`127.0.0.1:${port}`],
    labels: { job, instance, __metrics_path__: path },
  }));
  writeFileSync(`${file}.new`, JSON.stringify(list));
  renameSync(`${file}.new`, file);
}

function logStep(text: string): void {
  console.error(`==> ${text}`);
}
