// Merges of many replicas of a service.
import { median } from "./report.mjs";
import { startWorker } from "./worker.mjs";

export const replicas = 100;

/** Measures `count` merges after a warm-up: CPU seconds to merge and compress, and for the same response again. */
export async function measureMerging({ count, onExit }) {
  const worker = await startWorker("merge-worker.mjs", { REPLICAS: String(replicas) });
  onExit(worker.stop);
  const runs = [];
  for (let run = 0; run < count + 10; run++) runs.push(await worker.run());
  const warm = runs.slice(-count);
  const of = (name) => ({
    median: median(warm.map((costs) => costs[name])),
    least: Math.min(...warm.map((costs) => costs[name])),
  });
  await worker.stop();
  return { first: of("first"), again: of("again") };
}
