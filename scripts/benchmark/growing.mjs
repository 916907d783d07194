// What replication costs a node as their number grows, with three managers that do the work.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "./report.mjs";
import { ask, startNodes } from "./swarm-node.mjs";

export const managers = 3;
export const targetsEach = 20;
const warmUps = 2;
/** What is still under way after a cycle, such as writing and collecting garbage, counts for it, too. */
const settleMs = 1000;

/**
 * Measures swarms of these sizes, once for each value of REPLICATE_TO: `count` cycles in which all texts change, and
 * some in which none does. As many processes as nodes share this machine's cores: until when all have all tells
 * little of a real swarm, CPU time and bytes do.
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
      peers: index < managers ? indices.filter((peer) => peer !== index) : [],
    })),
    settings: { folder: targets.folder, samples, replicateTo, staleAfter: 600 },
    cacheDirOf: (index) => join(folder, `growing-${replicateTo}-${size}`, String(index)),
    onExit,
  });
  const receivers = replicateTo === "all" ? all : all.slice(0, managers);
  const changed = [];
  for (let round = 0; round < warmUps + count; round++) {
    await ask(all, "read", round % targets.moments);
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
  const pairs = managers * others + (managers * (managers - 1)) / 2;
  return {
    replicateTo,
    size,
    wall: median(changed.map(({ wall }) => wall)),
    manager: middleOf(changed.map(({ spent }) => meanOf(spent.slice(0, managers)))),
    ...(others > 0 ? { worker: middleOf(changed.map(({ spent }) => meanOf(spent.slice(managers)))) } : {}),
    /** Bytes between two nodes that talk to each other, both ways. */
    unchangedBytes: median(
      unchanged.map(({ spent }) => spent.reduce((sum, node) => sum + node.out, 0) / pairs),
    ),
  };
}

/** Lets all nodes scan, and those that may have all get it. */
async function oneCycle(all, receivers) {
  const versions = await ask(all, "put");
  // Writing to the disk is part of the scan; only what replication adds is to be measured.
  await ask(all, "flush");
  await sleep(settleMs);
  const before = await ask(all, "figures");
  const begun = await all[0].ask("now");
  const cycling = ask(all, "cycle");
  const arrived = await ask(receivers, "has", versions);
  await cycling;
  await ask(all, "flush");
  await sleep(settleMs);
  const after = await ask(all, "figures");
  const apart = after.flatMap((node) => node.apart);
  if (apart.length > 0) throw new Error(["a peer could not be reached", ...apart].join("\n"));
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
