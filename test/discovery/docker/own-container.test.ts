import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createDockerClient } from "../../../src/discovery/docker/client.js";
import { EngineApi } from "../../../src/discovery/docker/engine-api.js";
import {
  containerIdsIn,
  findOwnContainer,
  findOwnTask,
} from "../../../src/discovery/docker/own-container.js";
import { FakeEngine, idOf, network, networkIdOf } from "./fake-engine.js";

const id = "6448fefadf2ffaa019dd7c01287c55f841938722d81bd90a55d9db6e9cd3075f";
const other = "792d612b2bbcf7684b0fab77388be97232ac5fac02e1c73e001700750f84be64";
const tail = "rw,relatime - ext4 /dev/vda rw,discard,resv_strict";
const inContainer = `500 454 0:113 / / rw,relatime master:10 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/H43
520 502 0:138 / /dev/mqueue rw,nosuid,nodev,noexec,relatime - mqueue mqueue rw
523 500 254:0 /var/lib/docker/containers/${id}/resolv.conf /etc/resolv.conf ${tail}
524 500 254:0 /var/lib/docker/containers/${id}/hostname /etc/hostname ${tail}
525 500 254:0 /var/lib/docker/containers/${id}/hosts /etc/hosts ${tail}
526 500 254:0 /var/lib/docker/containers/${other}/hostname /elsewhere/hostname ${tail}
`;
const onHost = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
90 27 0:55 / /var/lib/docker/containers/${other}/mounts/shm rw - tmpfs shm rw
`;
const running = new Map([id, other].map((one) => [one, { id: one }]));

describe("findOwnContainer", () => {
  it("finds the container whose hostname, hosts and resolv.conf are mounted", () => {
    expect(containerIdsIn(inContainer)).toEqual([id]);
    expect(findOwnContainer(running, { mountinfo: inContainer, hostname: "node-a" })?.id).toBe(id);
  });

  it("finds none on the host, although mounts contain container ids", () => {
    expect(containerIdsIn(onHost)).toEqual([]);
    expect(findOwnContainer(running, { mountinfo: onHost, hostname: "node-a" })).toBeUndefined();
  });

  it("finds none if the engine does not list the container", () => {
    expect(findOwnContainer(new Map(), { mountinfo: inContainer, hostname: "x" })).toBeUndefined();
  });

  it("falls back to the container whose id begins with the hostname", () => {
    expect(findOwnContainer(running, { mountinfo: "", hostname: "792d612b2bbc" })?.id).toBe(other);
    expect(findOwnContainer(running, { mountinfo: "", hostname: "792d" })).toBeUndefined();
  });
});

describe("findOwnTask", () => {
  const { signal } = new AbortController();
  const machine = { mountinfo: "", routes: "", hostname: idOf("proxy").slice(0, 12) };
  const labels = { "com.docker.swarm.service.id": "service1", "com.docker.swarm.task.id": "task1" };
  const peers = { peers: network("peers", "10.0.1.2") };

  let engine: FakeEngine;
  let api: EngineApi;
  beforeEach(async () => {
    engine = await FakeEngine.start();
    api = new EngineApi(createDockerClient({ host: `unix://${engine.socketPath}`, tlsVerify: false }), 1000);
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
});
