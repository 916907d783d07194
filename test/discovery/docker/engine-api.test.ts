import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createDockerClient } from "../../../src/discovery/docker/client.js";
import { EngineApi } from "../../../src/discovery/docker/engine-api.js";
import { DiscoveryError } from "../../../src/errors.js";
import { FakeEngine, network, networkIdOf, service } from "./fake-engine.js";

const { signal } = new AbortController();
let engine: FakeEngine;
let api: EngineApi;
beforeEach(async () => {
  engine = await FakeEngine.start();
  api = new EngineApi(createDockerClient({ host: `unix://${engine.socketPath}`, tlsVerify: false }), 1000);
});
afterEach(() => engine.close());

describe("services", () => {
  it("have a name, labels, and the number of desired tasks", async () => {
    engine.swarm = {
      services: [
        service("shop_web", { "metrics.port": "80", team: "a" }, { Replicated: { Replicas: 3 } }),
        service("shop_idle", {}, { Replicated: { Replicas: 0 } }),
      ],
      tasks: [],
    };
    expect(await api.services(signal)).toEqual([
      { id: "id-of-shop_web", name: "shop_web", labels: { "metrics.port": "80", team: "a" }, replicas: 3 },
      { id: "id-of-shop_idle", name: "shop_idle", labels: {}, replicas: 0 },
    ]);
  });

  it("desire a task on each eligible node if they are global, as the engine reports it", async () => {
    const status = { RunningTasks: 1, DesiredTasks: 3, CompletedTasks: 0 };
    const global = { ...service("agent", {}, { Global: {} }), ServiceStatus: status };
    // While the engine creates the tasks of a replicated service, it counts fewer.
    const replicated = { ...service("web", {}, { Replicated: { Replicas: 5 } }), ServiceStatus: status };
    const job = { ...service("backup", {}, { GlobalJob: {} }), ServiceStatus: status };
    engine.swarm = { services: [global, replicated, job], tasks: [] };
    expect((await api.services(signal)).map(({ replicas }) => replicas)).toEqual([3, 5, undefined]);
    expect(engine.requests.at(-1)).toMatch(/\/services\?status=true$/);
  });

  it.each(["Global", "ReplicatedJob", "GlobalJob"])("have no desired number in the mode %s", async (mode) => {
    const jobs = mode === "ReplicatedJob" ? { MaxConcurrent: 1, TotalCompletions: 5 } : {};
    engine.swarm = { services: [service("backup", {}, { [mode]: jobs })], tasks: [] };
    expect(await api.services(signal)).toEqual([{ id: "id-of-backup", name: "backup", labels: {} }]);
  });

  it("need nothing but an id", async () => {
    engine.swarm = { services: [{ ID: "a" }, { ID: "b", Spec: { Labels: null, Mode: {} } }], tasks: [] };
    expect(await api.services(signal)).toEqual([
      { id: "a", name: "a", labels: {} },
      { id: "b", name: "b", labels: {} },
    ]);
  });

  it("cannot be listed on a worker", async () => {
    await expect(api.services(signal)).rejects.toThrow(DiscoveryError);
  });
});

describe("networks of a container", () => {
  const networksOf = async (networks: Record<string, object>) => {
    engine.run("web", { NetworkSettings: { Networks: networks } });
    return (await api.containers(signal))[0]?.networks;
  };

  it("have an address with the length of its prefix, IPv4 before IPv6", async () => {
    const networks = {
      both: network("both", "10.0.1.5", "fd00::5"),
      six: network("six", "", "fd00::6"),
    };
    expect(await networksOf(networks)).toEqual([
      { name: "both", id: networkIdOf("both"), address: "10.0.1.5", prefixLength: 16 },
      { name: "six", id: networkIdOf("six"), address: "fd00::6", prefixLength: 64 },
    ]);
  });

  it("have neither while the container is not connected", async () => {
    const id = networkIdOf("late");
    expect(await networksOf({ late: network("late", "") })).toEqual([{ name: "late", id }]);
  });

  it("have only an address if the engine reports no prefix", async () => {
    const bare = { NetworkID: "n", IPAddress: "10.0.1.5", IPPrefixLen: 0 };
    const older = { NetworkID: "o", IPAddress: "10.0.2.5" };
    expect(await networksOf({ bare, older })).toEqual([
      { name: "bare", id: "n", address: "10.0.1.5" },
      { name: "older", id: "o", address: "10.0.2.5" },
    ]);
  });
});
