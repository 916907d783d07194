// Replication of the scrapes of one node to two others.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "./report.mjs";
import { call, startNodes } from "./swarm-node.mjs";

const warmUps = 3;
/** Milliseconds after a cycle in which unfinished work, such as disk writes and garbage collection, counts for it. */
const settleMs = 300;

/**
 * Three equal nodes, as with PEERS; one has all targets. Measures `count` cycles in which all scrapes change, then as
 * many in which none does.
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
    const gzipBytes = await origin.call("read", round % targets.moments);
    const cycle = await oneCycle(origin, receivers);
    if (round >= warmUps) changed.push({ ...cycle, ratio: cycle.bytes / gzipBytes });
  }
  for (let round = 0; round < 1 + count; round++) {
    const cycle = await oneCycle(origin, receivers);
    if (round >= 1) unchanged.push(cycle);
  }
  const { entries } = await receivers[0].call("figures");
  if (entries !== targets.urls.length) throw new Error(`a receiver has ${entries} scrapes`);
  await stop();
  return { changed: middleOf(changed), unchanged: middleOf(unchanged), count };
}

/** Measures seconds, and the bytes of one link in both directions. */
async function oneCycle(origin, receivers) {
  const all = [origin, ...receivers];
  await sleep(settleMs);
  const before = await call(all, "figures");
  const published = await origin.call("publish");
  const wall = Math.max(...(await call(receivers, "has", [published]))) - published.at;
  await sleep(settleMs);
  const after = await call(all, "figures");
  const spent = after.map((one, index) => one.cpu - before[index].cpu);
  return {
    wall,
    senderCpu: spent[0],
    receiverCpu: Math.max(...spent.slice(1)),
    bytes: (after[0].in + after[0].out - before[0].in - before[0].out) / receivers.length,
    rss: Math.max(...after.slice(1).map(({ rss }) => rss)),
  };
}

/** The median and the maximum of each figure. */
function middleOf(cycles) {
  const of = (name) => {
    const values = cycles.map((cycle) => cycle[name]);
    return { median: median(values), most: Math.max(...values) };
  };
  return Object.fromEntries(Object.keys(cycles[0]).map((name) => [name, of(name)]));
}
