// Scan cycles of the proxy, in turns with bare fetches of the same expositions.
import { join } from "node:path";
import { median } from "./report.mjs";
import { peakMemory, startWorker } from "./worker.mjs";

const warmUps = 5;

/** Measures `count` cycles. All expositions change between two runs, outside of the measured processes. */
export async function measureCycles({ targets, folder, count, samples, onExit, profile }) {
  const settings = {
    TARGETS_FILE: targets.targetsFile,
    CACHE_DIR: join(folder, "cache"),
    SCRAPE_CONCURRENCY: "64",
  };
  const proxy = await startWorker("cycle-worker.mjs", settings, profile ? ["--cpu-prof"] : []);
  onExit(proxy.stop);
  const bare = await startWorker("fetch-worker.mjs", { URLS: targets.urls.join(" "), CONCURRENCY: "64" });
  onExit(bare.stop);

  const cycles = [];
  const fetches = [];
  for (let round = 0; round < warmUps + count; round++) {
    await targets.advance();
    const fetched = await bare.run();
    const cycle = await proxy.run();
    if (cycle.entries !== targets.urls.length || cycle.samples !== samples) {
      throw new Error(`a cycle produced only ${cycle.entries} scrapes with ${cycle.samples} samples`);
    }
    if (round < warmUps) continue;
    cycles.push(cycle);
    fetches.push(fetched);
  }
  const figures = {
    count,
    wall: spread(cycles.map(({ wall }) => wall)),
    cpu: spread(cycles.map(({ cpu }) => cpu)),
    fetchWall: spread(fetches.map(({ wall }) => wall)),
    fetchCpu: spread(fetches.map(({ cpu }) => cpu)),
    peak: peakMemory(proxy.pid),
  };
  await Promise.all([proxy.stop(), bare.stop()]);
  return figures;
}

function spread(values) {
  return { median: median(values), least: Math.min(...values) };
}
