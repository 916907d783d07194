import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createDockerClient } from "../../src/discovery/docker/client.js";
import { createEngineApi } from "../../src/discovery/docker/engine-api.js";
import { findOwnTask } from "../../src/discovery/docker/own-task.js";
import { createSwarmPeers } from "../../src/replication/swarm-peers.js";

const ownContainer = "a".repeat(64);
const machine = { mountinfo: "", routes: "", hostname: ownContainer.slice(0, 12) };
const { signal } = new AbortController();

/** What an engine answers, by path; a test may change it. */
type Answers = Record<string, unknown>;

/** An HTTP server that answers like an engine, and remembers what was asked. */
async function startEngine(answers: Answers) {
  const asked: string[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "", "http://engine");
    asked.push(`${url.pathname} ${url.searchParams.get("filters") ?? ""}`.trim());
    const answer = answers[url.pathname];
    response.writeHead(answer === undefined ? 503 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? { message: "This node is not a swarm manager." }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const host = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { asked, engine: createEngineApi(createDockerClient({ host, tlsVerify: false }), 1000) };
}

const labels = {
  "com.docker.swarm.service.id": "service1",
  "com.docker.swarm.task.id": "task1",
  "com.docker.swarm.service.name": "whatever_it-is-called",
};

function containers(extra: Record<string, string> = labels) {
  return [
    {
      Id: ownContainer,
      Names: ["/whatever"],
      Created: 1,
      State: "running",
      Labels: extra,
      NetworkSettings: {
        Networks: {
          ingress: { NetworkID: "net-ingress", IPAddress: "10.0.0.9" },
          peers: { NetworkID: "net-peers", IPAddress: "10.0.1.2" },
          shop: { NetworkID: "net-shop", IPAddress: "10.0.2.2" },
        },
      },
    },
  ];
}

function task(id: string, nodeId: string, networks: Record<string, string>, state = "running") {
  return {
    ID: id,
    NodeID: nodeId,
    Status: { State: state },
    NetworksAttachments: Object.entries(networks).map(([name, address]) => ({
      Network: { ID: `net-${name}`, Spec: { Name: name } },
      Addresses: [`${address}/24`],
    })),
  };
}

const manager = { Name: "node1", Swarm: { NodeID: "n1", ControlAvailable: true } };
const worker = { Name: "node1", Swarm: { NodeID: "n1", ControlAvailable: false } };

describe("the peers of a task of a Swarm service", () => {
  it("are the other tasks of its own service whose containers run, on the networks that both are on, but not the routing mesh", async () => {
    const answers: Answers = {
      "/containers/json": containers(),
      "/info": manager,
      "/tasks": [
        task("task1", "n1", { peers: "10.0.1.2" }),
        task("task3", "n3", { ingress: "10.0.0.3", shop: "10.0.2.3", peers: "10.0.1.3" }),
        task("task2", "n2", { ingress: "10.0.0.4", other: "10.0.9.4" }),
        task("task4", "n4", { peers: "10.0.1.4" }, "starting"),
        task("task5", "n5", { peers: "10.0.1.5" }, "preparing"),
      ],
    };
    const { engine, asked } = await startEngine(answers);
    const own = await findOwnTask(engine, signal, machine);
    const source = createSwarmPeers(engine, own!, 2222);
    expect(await source.list(signal)).toEqual({
      manager: true,
      problem: expect.stringMatching(/^1 of the 3 other tasks /),
      peers: [
        {
          key: "task3",
          title: "n3",
          addresses: [
            { host: "10.0.1.3", port: 2222 },
            { host: "10.0.2.3", port: 2222 },
          ],
        },
        { key: "task4", title: "n4", addresses: [{ host: "10.0.1.4", port: 2222 }] },
      ],
    });
    expect(asked).toContain('/tasks {"service":["service1"],"desired-state":["running"]}');
  });

  it("are asked by nobody but managers; promotion and demotion count at once", async () => {
    const answers: Answers = { "/containers/json": containers(), "/info": worker };
    const { engine, asked } = await startEngine(answers);
    const source = createSwarmPeers(engine, (await findOwnTask(engine, signal, machine))!, 22);
    expect(await source.list(signal)).toEqual({ manager: false, peers: [] });
    expect(asked.some((path) => path.startsWith("/tasks"))).toBe(false);
    answers["/info"] = manager;
    answers["/tasks"] = [task("task2", "n2", { peers: "10.0.1.3" })];
    expect((await source.list(signal)).peers).toHaveLength(1);
    answers["/info"] = worker;
    expect(await source.list(signal)).toEqual({ manager: false, peers: [] });
  });

  it("are told to be out of reach where the service is in the host's network", async () => {
    const host = { host: { NetworkID: "net-host", IPAddress: "" } };
    const own = { ...containers()[0], NetworkSettings: { Networks: host } };
    const answers: Answers = {
      "/containers/json": [own],
      "/info": manager,
      "/tasks": [task("task1", "n1", {}), task("task2", "n2", {}), task("task3", "n3", {})],
    };
    const { engine } = await startEngine(answers);
    const source = createSwarmPeers(engine, (await findOwnTask(engine, signal, machine))!, 22);
    expect(await source.list(signal)).toEqual({
      manager: true,
      peers: [],
      problem:
        "2 of the 2 other tasks of this service are on no network that this one is on " +
        "(the host's network and the routing mesh do not count): put the service on an overlay network",
    });
    answers["/tasks"] = [task("task1", "n1", {})];
    expect(await source.list(signal)).toEqual({ manager: true, peers: [] });
  });

  it("are no empty list where the engine does not tell", async () => {
    const answers: Answers = { "/containers/json": containers(), "/info": manager };
    const { engine } = await startEngine(answers);
    const source = createSwarmPeers(engine, (await findOwnTask(engine, signal, machine))!, 22);
    await expect(source.list(signal)).rejects.toThrow(/did not list the tasks/);
  });

  it("are none where this process is no task, or no container at all", async () => {
    const { engine } = await startEngine({ "/containers/json": containers({}) });
    expect(await findOwnTask(engine, signal, machine)).toBeUndefined();
    expect(await findOwnTask(engine, signal, { ...machine, hostname: "laptop" })).toBeUndefined();
  });
});
