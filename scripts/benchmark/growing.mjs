// The cost of replication per node, by the number of nodes; three of them are managers.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "./report.mjs";
import { call, startNodes } from "./swarm-node.mjs";

export const managers = 3;
export const targetsEach = 20;
const warmUps = 2;
/** Milliseconds after a cycle in which unfinished work, such as disk writes and garbage collection, counts for it. */
const settleMs = 1000;

/**
 * Measures swarms of these sizes, once for each value of REPLICATE_TO: `count` cycles in which all scrapes change, and as
 * many in which none does. All nodes share the cores of this machine, so the wall time does not apply to a real swarm;
 * CPU time and bytes do.
 */
export async function measureGrowth({ sizes, ...options }) {
  const rows = [];
  for (const replicateTo of ["all", "managers"]) {
    for (const size of sizes) rows.push(await measureSwarm({ replicateTo, size, ...options }));
  }
  return rows;
}

async function measureSwarm({ targets, folder, size, replicateTo, count, samples, onExit }) {
  const indices = Array.from({ length: size }, (_, index) => index);
  const { all, stop } = await startNodes({
    nodes: indices.map((index) => ({
      targets: Array.from({ length: targetsEach }, (_, target) => index * targetsEach + target),
      manager: index < managers,
      peers: indices.filter((peer) => peer !== index),
    })),
    settings: { folder: targets.folder, samples, replicateTo, staleAfter: 600 },
    cacheDirOf: (index) => join(folder, `growing-${replicateTo}-${size}`, String(index)),
    onExit,
  });
  const receivers = replicateTo === "all" ? all : all.slice(0, managers);
  const changed = [];
  for (let round = 0; round < warmUps + count; round++) {
    await call(all, "read", round % targets.moments);
    const cycle = await oneCycle(all, receivers);
    if (round >= warmUps) changed.push(cycle);
  }
  const unchanged = [];
  for (let round = 0; round < 1 + count; round++) {
    const cycle = await oneCycle(all, receivers);
    if (round >= 1) unchanged.push(cycle);
  }
  await stop();
  const others = size - managers;
  const pairs =
    replicateTo === "all" ? (size * (size - 1)) / 2 : managers * others + (managers * (managers - 1)) / 2;
  return {
    replicateTo,
    size,
    wall: median(changed.map(({ wall }) => wall)),
    manager: middleOf(changed.map(({ spent }) => meanOf(spent.slice(0, managers)))),
    ...(others > 0 ? { worker: middleOf(changed.map(({ spent }) => meanOf(spent.slice(managers)))) } : {}),
    /** Bytes on one link, both directions. */
    unchangedBytes: median(
      unchanged.map(({ spent }) => spent.reduce((sum, node) => sum + node.out, 0) / pairs),
    ),
  };
}

/** All nodes publish; ends when the receivers have everything. */
async function oneCycle(all, receivers) {
  await sleep(settleMs);
  const before = await call(all, "figures");
  const published = await call(all, "publish");
  const begun = Math.min(...published.map(({ at }) => at));
  const arrived = await call(receivers, "has", published);
  await sleep(settleMs);
  const after = await call(all, "figures");
  const apart = after.flatMap((node) => node.apart);
  if (apart.length > 0) throw new Error(["some peers were not connected", ...apart].join("\n"));
  return {
    wall: Math.max(...arrived) - begun,
    spent: after.map((one, index) => ({
      cpu: one.cpu - before[index].cpu,
      in: one.in - before[index].in,
      out: one.out - before[index].out,
      rss: one.rss,
    })),
  };
}

function meanOf(nodes) {
  const mean = (name) => nodes.reduce((sum, node) => sum + node[name], 0) / nodes.length;
  return Object.fromEntries(Object.keys(nodes[0]).map((name) => [name, mean(name)]));
}

function middleOf(cycles) {
  const middle = (name) => median(cycles.map((cycle) => cycle[name]));
  return Object.fromEntries(Object.keys(cycles[0]).map((name) => [name, middle(name)]));
}
