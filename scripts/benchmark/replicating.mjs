// Replication of what one node has scraped to two others.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "./report.mjs";
import { ask, startNodes } from "./swarm-node.mjs";

const warmUps = 3;
/** What is still under way after a cycle, such as writing and collecting garbage, counts for it, too. */
const settleMs = 300;

/**
 * Three equal nodes, as with PEERS; one has all targets. Measures `count` cycles in which all texts change, then as
 * many in which none does. In each the two nodes without targets begin, since their scans take no time.
 */
export async function measureReplicating({ targets, folder, count, samples, onExit, profile }) {
  const { all, stop } = await startNodes({
    nodes: [0, 1, 2].map((index) => ({
      targets: index === 0 ? targets.urls.map((_, target) => target) : [],
      manager: true,
      peers: [0, 1, 2].filter((peer) => peer !== index),
    })),
    settings: { folder: targets.folder, samples, replicateTo: "all", staleAfter: 300 },
    cacheDirOf: (index) => join(folder, `replicating-${index}`),
    execArgvOf: () => (profile ? ["--cpu-prof"] : []),
    onExit,
  });
  const [origin, ...receivers] = all;
  const changed = [];
  const unchanged = [];
  for (let round = 0; round < warmUps + count; round++) {
    const gzipBytes = await origin.ask("read", round % targets.moments);
    const cycle = await oneCycle(origin, receivers);
    if (round >= warmUps) changed.push({ ...cycle, ratio: cycle.bytes / gzipBytes });
  }
  for (let round = 0; round < 1 + count; round++) {
    const cycle = await oneCycle(origin, receivers);
    if (round >= 1) unchanged.push(cycle);
  }
  const { entries } = await receivers[0].ask("figures");
  if (entries !== targets.urls.length) throw new Error(`a receiver has ${entries} entries`);
  await stop();
  return { changed: middleOf(changed), unchanged: middleOf(unchanged), count };
}

/** Seconds, and bytes on the wire both ways between the origin and one of the others. */
async function oneCycle(origin, receivers) {
  const all = [origin, ...receivers];
  await ask(receivers, "cycle");
  const version = await origin.ask("put");
  // Writing to the disk is part of the scan; only what replication adds is to be measured.
  await origin.ask("flush");
  await sleep(settleMs);
  const before = await ask(all, "figures");
  const begun = await origin.ask("now");
  const arrived = ask(receivers, "has", [version]);
  await origin.ask("cycle");
  const wall = Math.max(...(await arrived)) - begun;
  await ask(receivers, "flush");
  await sleep(settleMs);
  const after = await ask(all, "figures");
  const spent = after.map((one, index) => one.cpu - before[index].cpu);
  return {
    wall,
    senderCpu: spent[0],
    receiverCpu: Math.max(...spent.slice(1)),
    bytes: (after[0].in + after[0].out - before[0].in - before[0].out) / receivers.length,
    rss: Math.max(...after.slice(1).map(({ rss }) => rss)),
  };
}

/** The median and the most of each figure. */
function middleOf(cycles) {
  const of = (name) => {
    const values = cycles.map((cycle) => cycle[name]);
    return { median: median(values), most: Math.max(...values) };
  };
  return Object.fromEntries(Object.keys(cycles[0]).map((name) => [name, of(name)]));
}
