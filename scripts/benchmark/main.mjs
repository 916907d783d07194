// main.mjs [--replication] [--profile]: measures, prints tables, and writes the plot of replication to img/.
// --replication: only replication. --profile: Node writes CPU profiles of the cycles, or of the three nodes.
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { measureCycles } from "./cycles.mjs";
import { measureDaemon } from "./daemon.mjs";
import { measureFederating } from "./federating.mjs";
import { measureGrowth } from "./growing.mjs";
import { drawGrowth, tableOfGrowth } from "./growth-report.mjs";
import { measureGuessing } from "./guessing.mjs";
import { measureMerging, replicas } from "./merging.mjs";
import { measureReplicating } from "./replicating.mjs";
import { tableOfReplicating } from "./replicating-report.mjs";
import { machine, megabytes, ratio, seconds, table } from "./report.mjs";
import { connections, measureServing } from "./serving.mjs";
import { startTargets } from "./targets.mjs";

const count = 1000;
const series = 1000;
const rounds = 5;
const profile = process.argv.includes("--profile");
const onlyReplication = process.argv.includes("--replication");
const picture = fileURLToPath(new URL("../../img/growth.svg", import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-bench-"));
const cleanUps = [];
const onExit = (cleanUp) => cleanUps.unshift(cleanUp);
onExit(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

const interrupt = new AbortController();
const interrupted = once(interrupt.signal, "abort");
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => interrupt.abort());
try {
  await Promise.race([measure(), interrupted]);
} finally {
  for (const cleanUp of cleanUps) await cleanUp();
}
process.exit(interrupt.signal.aborted ? 1 : 0);

async function measure() {
  logStep(`creating ${count} targets of ${series} series`);
  const place = join(folder, "targets");
  await mkdir(place);
  const { signal } = interrupt;
  const targets = await startTargets({ folder: place, count, moments: 3, signal, onExit });
  const options = { targets, folder, onExit };
  if (!onlyReplication) await measureOneNode(options);
  if (onlyReplication || !profile) await measureReplication(options);
}

async function measureOneNode(options) {
  const { targets } = options;
  logStep("scan cycles, in turns with bare fetches");
  const cycles = await measureCycles({ ...options, count: 10, samples: count * series, profile });
  if (profile) return;
  logStep("the daemon with its own schedule");
  const daemon = await measureDaemon({ ...options, count: 8 });
  logStep("serving, in turns with bare Express handlers");
  const serving = await measureServing({ ...options, rounds, seconds: 2 });
  logStep("merging");
  const merging = await measureMerging({ count: 20, onExit });
  logStep("federating, in turns with a Pushgateway");
  const federating = await measureFederating({ ...options, rounds: 2 });
  logStep("scraping during a password attack");
  const guessing = await measureGuessing({ ...options, seconds: 5 });
  print(targets, cycles, daemon, serving);
  printSeveral(merging, federating);
  printGuessing(guessing);
}

async function measureReplication(options) {
  logStep("replication between three nodes");
  const replicating = await measureReplicating({ ...options, count: 10, samples: series, profile });
  if (profile) return;
  console.log(`${onlyReplication ? `\n${machine()}\n\n` : ""}${tableOfReplicating(replicating)}\n`);
  logStep("replication between 3, 10 and 30 nodes");
  const growth = await measureGrowth({ ...options, sizes: [3, 10, 30], count: 3, samples: series });
  console.log(`${tableOfGrowth(growth)}\n`);
  await writeFile(picture, drawGrowth(growth));
  logStep(`plot written to ${picture}`);
}

function print({ size }, cycles, daemon, serving) {
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  const micros = (cost) => `${Math.round(cost * 1e6)} µs`;
  const { wall, cpu, fetchWall, fetchCpu } = cycles;
  const { ours, send, end } = serving;
  const served = (what, { rate, cost, ratio: ours, costRatio }) => [
    what,
    `${Math.round(rate)}/s`,
    micros(cost),
    ...(ours === 1 ? ["", ""] : [ratio(ours), ratio(costRatio)]),
  ];
  console.log(`
${machine()}

${count} targets of ${series} series on loopback, one nginx: ${kilobytes(size.text)} of text, ${kilobytes(size.gzip)} gzipped.
All expositions change before every cycle. A cycle: scrape, validate, store in memory and on disk.

${table([
  ["a warm cycle", "wall", "CPU", "peak memory"],
  [`the proxy, median of ${cycles.count}`, seconds(wall.median), seconds(cpu.median), megabytes(cycles.peak)],
  ["  minimum", seconds(wall.least), seconds(cpu.least), ""],
  ["only fetching with the same client, median", seconds(fetchWall.median), seconds(fetchCpu.median), ""],
  ["  minimum", seconds(fetchWall.least), seconds(fetchCpu.least), ""],
  ["proxy / only fetching", ratio(wall.median / fetchWall.median), ratio(cpu.median / fetchCpu.median), ""],
  [
    `the daemon, mean of ${daemon.scans} (wall time without the disk)`,
    seconds(daemon.wall),
    seconds(daemon.cpu),
    megabytes(daemon.peak),
  ],
])}

Serving ${kilobytes(serving.bytes)} of gzip to ${connections} connections, in turns, medians of ${rounds} rounds:

${table([
  ["", "requests", "CPU per request", "proxy / handler", "CPU proxy / handler"],
  served("the proxy, from the cache", ours),
  served("an Express handler: res.set, res.send", send),
  served("an Express handler: res.setHeader, res.end", end),
])}
`);
}

function printGuessing({ quiet, guessed, guesses, checks }) {
  const millis = (value) => `${(value * 1000).toFixed(1)} ms`;
  const row = (what, { scrapes, median, p99 }) => [what, String(scrapes), millis(median), millis(p99)];
  console.log(`Scrapes over TLS with a known password, alone and while curl tries wrong passwords:

${table([
  ["", "scrapes", "median", "99th percentile"],
  row("alone", quiet),
  row(`with ${guesses} wrong passwords, ${checks} of them checked with bcrypt`, guessed),
  ["attacked / alone", "", ratio(guessed.median / quiet.median), ratio(guessed.p99 / quiet.p99)],
])}
`);
}

function printSeveral({ first, again }, { identity, gzip, aboveIdle }) {
  const millis = (value) => `${(value * 1000).toFixed(1)} ms`;
  const response = (what, { firstByte, total, bytes, gatewayTotal, ratio: ours }) => [
    what,
    megabytes(bytes),
    millis(firstByte),
    seconds(total),
    seconds(gatewayTotal),
    ratio(ours),
  ];
  console.log(`Merging ${replicas} replicas of ${series} series, CPU time:

${table([
  ["", "median", "minimum"],
  ["inflated and merged, new scrapes each time", millis(first.median), millis(first.least)],
  ["the same response again", millis(again.median), millis(again.least)],
])}

/federate over ${count} targets of ${series} series; process memory at most ${megabytes(aboveIdle)} above idle:

${table([
  ["", "size", "first byte", "total", "total of a Pushgateway", "proxy / Pushgateway"],
  response("plain", identity),
  response("gzip", gzip),
])}
`);
}

function logStep(text) {
  console.error(`==> ${text}`);
}
