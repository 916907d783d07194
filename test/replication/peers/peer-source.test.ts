import { describe, expect, it } from "vitest";
import type { ProxyTask, SwarmDocument } from "../../../src/model/publication.js";
import { createStaticPeers, createSwarmPeers } from "../../../src/replication/peers/peer-source.js";

type OwnTask = Parameters<typeof createSwarmPeers>[0];
type ContainerNetwork = Awaited<ReturnType<OwnTask["networks"]>>[number];

const { signal } = new AbortController();

const ownNetworks = [
  { id: "net-ingress", name: "ingress", address: "10.0.0.2", prefixLength: 24 },
  { id: "net-peers", name: "peers", address: "10.0.1.2", prefixLength: 24 },
  { id: "net-shop", name: "shop", address: "fd00:1::2", prefixLength: 64 },
  { id: "net-host", name: "host" },
] as unknown as ContainerNetwork[];

function swarmPeers(tasks: readonly ProxyTask[], networks = ownNetworks, failure?: Error) {
  const own = {
    taskId: "task1",
    serviceId: "service1",
    networks: async () => networks,
  } as unknown as OwnTask;
  const swarm = { tasks, services: [] } as unknown as SwarmDocument;
  return createSwarmPeers(own, 2222, { document: swarm, failure });
}

const task = (id: string, node: string, ...addresses: string[]): ProxyTask => ({ id, node, addresses });

describe("the peers of a Swarm task", () => {
  it("are the other tasks, at their addresses within this node's own subnets, but not the ingress network", async () => {
    const source = swarmPeers([
      task("task1", "n1", "10.0.1.2"),
      task("task3", "n3", "10.0.0.3", "fd00:1::3", "10.0.1.3", "192.0.2.1"),
      task("task4", "", "10.0.1.4"),
    ]);
    expect(source.task).toBe("task1");
    expect(await source.list(signal)).toEqual({
      peers: [
        {
          key: "task3",
          title: "n3",
          addresses: [
            { host: "10.0.1.3", port: 2222 },
            { host: "fd00:1::3", port: 2222 },
          ],
        },
        { key: "task4", title: "task4", addresses: [{ host: "10.0.1.4", port: 2222 }] },
      ],
    });
  });

  it.each([
    ["the ingress network", "10.0.0.3"],
    ["a network that this node is not on", "10.0.9.3"],
    ["loopback", "127.0.0.1"],
    ["a neighbouring IPv6 subnet", "fd00:2::3"],
    ["no address at all", "peer.example.org"],
  ])("are not dialled on %s, which is reported", async (_, address) => {
    const source = swarmPeers([task("task2", "n2", address), task("task3", "n3", "10.0.1.3")]);
    const { peers, problem } = await source.list(signal);
    expect(peers.map(({ key }) => key)).toEqual(["task3"]);
    expect(problem).toBe(
      "1 of 2 other tasks share no network with this one, apart from the ingress network: attach the service to an overlay network",
    );
  });

  it("follow the networks of this node's container", async () => {
    const networks = [...ownNetworks];
    const source = swarmPeers([task("task2", "n2", "10.0.5.2")], networks);
    expect((await source.list(signal)).peers).toEqual([]);
    networks.push({
      id: "x",
      name: "x",
      address: "10.0.5.9",
      prefixLength: 24,
    } as unknown as ContainerNetwork);
    expect((await source.list(signal)).peers).toHaveLength(1);
  });

  it("are none without other tasks, and that is no problem", async () => {
    expect(await swarmPeers([task("task1", "n1")]).list(signal)).toEqual({ peers: [] });
    expect(await swarmPeers([]).list(signal)).toEqual({ peers: [] });
  });

  it("are not an empty list if this manager could not list the tasks", async () => {
    const failure = new Error("engine does not respond");
    await expect(
      swarmPeers([task("task2", "n2", "10.0.1.3")], ownNetworks, failure).list(signal),
    ).rejects.toBe(failure);
  });
});

describe("PEERS", () => {
  it("can have ports, and IPv6 addresses in brackets; duplicates count once", async () => {
    const { peers } = await createStaticPeers(["a", "b:2222", "[fd00::1]", "[fd00::2]:2222", "a"]).list(
      signal,
    );
    expect(peers.map(({ key, addresses }) => [key, addresses[0]])).toEqual([
      ["a", { host: "a", port: 22 }],
      ["b:2222", { host: "b", port: 2222 }],
      ["[fd00::1]", { host: "fd00::1", port: 22 }],
      ["[fd00::2]:2222", { host: "fd00::2", port: 2222 }],
    ]);
  });
});
