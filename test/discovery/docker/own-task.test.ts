import { afterEach, beforeEach, expect, it } from "vitest";
import { createDockerClient } from "../../../src/discovery/docker/client.js";
import { createEngineApi, type EngineApi } from "../../../src/discovery/docker/engine-api.js";
import { findOwnTask } from "../../../src/discovery/docker/own-task.js";
import { FakeEngine, idOf, network, networkIdOf } from "./fake-engine.js";

const { signal } = new AbortController();
const machine = { mountinfo: "", routes: "", hostname: idOf("proxy").slice(0, 12) };
const labels = { "com.docker.swarm.service.id": "service1", "com.docker.swarm.task.id": "task1" };
const peers = { peers: network("peers", "10.0.1.2") };

let engine: FakeEngine;
let api: EngineApi;
beforeEach(async () => {
  engine = await FakeEngine.start();
  api = createEngineApi(createDockerClient({ host: `unix://${engine.socketPath}`, tlsVerify: false }), 1000);
});
afterEach(() => engine.close());

it("finds the task by the labels of the container that this process runs in", async () => {
  engine.run("web", { Labels: { ...labels, "com.docker.swarm.task.id": "task2" } });
  engine.run("proxy", { Labels: labels });
  expect(await findOwnTask(api, signal, machine)).toMatchObject({ serviceId: "service1", taskId: "task1" });
});

it("lists the networks that the container is on now", async () => {
  engine.run("proxy", { Labels: labels, NetworkSettings: { Networks: peers } });
  const own = await findOwnTask(api, signal, machine);
  const expected = { name: "peers", id: networkIdOf("peers"), address: "10.0.1.2", prefixLength: 16 };
  expect(await own?.networks(signal)).toEqual([expected]);
  expect(await own?.networkIds(signal)).toEqual(new Set([networkIdOf("peers")]));

  const shop = { shop: network("shop", "10.0.2.2") };
  engine.run("proxy", { Labels: labels, NetworkSettings: { Networks: { ...shop, ...peers } } });
  expect((await own?.networks(signal))?.map(({ name }) => name)).toEqual(["peers", "shop"]);

  engine.stop("proxy");
  expect(await own?.networks(signal)).toEqual([]);
});

it("finds no task for a container outside Swarm, or for a process in no container", async () => {
  engine.run("proxy");
  expect(await findOwnTask(api, signal, machine)).toBeUndefined();
  expect(await findOwnTask(api, signal, { ...machine, hostname: "laptop" })).toBeUndefined();
});
