import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { FakeEngine } from "../discovery/docker/fake-engine.js";
import { answerWith, startTarget } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";
import { startWhole } from "./daemons.js";

it("a node that starts again scans by the labels of services that it was told before, from the first scan on", async () => {
  const engine = await FakeEngine.start();
  onTestFinished(() => engine.close());
  engine.run("web.1", { Labels: { "com.docker.swarm.service.id": "service1" } });
  const folder = tempFolder();
  mkdirSync(join(folder, "one"));
  writeFileSync(
    join(folder, "one", "service-labels.json"),
    JSON.stringify([["service1", { "metrics.enable": "false" }]]),
  );
  const target = await startTarget(answerWith("one 1\n"));
  const proxy = await startWhole(folder, "one", target.port, {
    DOCKER_HOST: `unix://${engine.socketPath}`,
    LISTEN_ADDRESS: "127.0.0.1:0",
  });
  const targets = async () => {
    const response = await fetch(`http://127.0.0.1:${proxy.port}/targets`);
    return ((await response.json()) as { targets: { title: string }[] }).targets;
  };
  await expect.poll(async () => (await targets()).length, { timeout: 10_000 }).toBe(2);
  expect(await targets()).toContainEqual(expect.objectContaining({ title: "web.1", state: "disabled" }));
});
