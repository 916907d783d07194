import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { DiskLog } from "../../src/cache/disk-log.js";
import { Publisher } from "../../src/cache/publisher.js";
import { silentLogger as logger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import { systemClock as clock } from "../../src/model/clock.js";
import { FakeEngine } from "../discovery/docker/fake-engine.js";
import { answerWith, startTarget } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";
import { startWhole } from "./daemons.js";

/** Writes a swarm document of another node to a cache on disk. */
async function keepLabels(folder: string, labels: Record<string, string>): Promise<void> {
  const budget = new MemoryBudget(1024 * 1024);
  const common = { clock, logger, budget, history: 300 };
  const cache = new Cache({ ...common, staleAfter: 30 });
  const log = new DiskLog({ ...common, folder, cache, maxScrapeBytes: 1024 });
  await log.load();
  cache.addListener({ onComplete: (held) => log.append(held) });
  const publisher = new Publisher({
    ...common,
    cache,
    instance: "manager-process",
    origin: () => "manager",
    travels: () => true,
  });
  publisher.swarm({ services: [{ id: "service1", name: "web", labels }], tasks: [] });
  publisher.stop();
  await log.close();
}

it("a worker that restarts scans by the deploy.labels of the last swarm document, from the first scan on", async () => {
  const engine = await FakeEngine.start();
  onTestFinished(() => engine.close());
  engine.run("web.1", { Labels: { "com.docker.swarm.service.id": "service1" } });
  const folder = tempFolder();
  await keepLabels(join(folder, "one"), { "metrics.enable": "false" });
  const target = await startTarget(answerWith("one 1\n"));
  const proxy = await startWhole(folder, "one", target.port, {
    DOCKER_HOST: `unix://${engine.socketPath}`,
    LISTEN_ADDRESS: "127.0.0.1:0",
  });
  const targets = async () => {
    const response = await fetch(`http://127.0.0.1:${proxy.port}/targets`);
    return ((await response.json()) as { targets: { title: string }[] }).targets;
  };
  await expect.poll(async () => (await targets()).length, { timeout: 20_000 }).toBe(2);
  expect(await targets()).toContainEqual(expect.objectContaining({ title: "web.1", state: "disabled" }));
});
