import { afterAll, beforeAll, expect, it } from "vitest";
import { deployStack } from "../../support/docker/stack.js";
import type { SwarmNode } from "../../support/docker/swarm-lab.js";
import { runningTasks } from "../../support/docker/tasks.js";
import { until } from "../../support/docker/until.js";
import { allShow, appStack } from "./apps.js";
import { interval, type ProxySwarm, proxyService } from "./proxy-swarm.js";

/** Whether all statuses are this one. */
const all = (status: number) => (statuses: readonly number[]) => statuses.every((one) => one === status);

/** A service on the worker whose port and path of the metrics are set by deploy labels only. */
const labelled = `
version: "3.8"
services:
  apart:
    image: sample-exporter
    command: ["/bin/busybox", "sh", "-c", "/bin/busybox echo 'apart_up 1' > /www/elsewhere; exec /bin/busybox httpd -f -p 7000 -h /www"]
    networks: [shop_net]
    stop_signal: KILL
    deploy:
      endpoint_mode: dnsrr
      placement: { constraints: ["node.hostname == node-3"] }
      labels: { metrics.port: "7000", metrics.path: /elsewhere }
networks:
  shop_net: { external: true }
`;

/** Nodes become managers and workers, leave and join. */
export function describeRoles(theSwarm: () => ProxySwarm): void {
  let swarm: ProxySwarm;
  let nodes: readonly SwarmNode[];

  beforeAll(() => {
    swarm = theSwarm();
    ({ nodes } = swarm.lab);
  });
  afterAll(() => swarm.removeStacks("shop"));

  const docker = (...args: string[]) => swarm.lab.docker(args);
  const statusOn = (path: string) =>
    Promise.all(nodes.map(async (node) => (await swarm.client(node).get(path)).status));

  /** Scales the service and waits until all nodes serve exactly its replicas. */
  async function scaleTo(count: number) {
    await docker("service", "scale", "--detach", `shop_web=${count}`);
    await allShow(swarm, "web", { shop_web: await runningTasks(swarm.lab, "shop_web", count) }, 2 * interval);
  }

  /** How many other nodes a node knows. */
  const peers = (node: SwarmNode) => swarm.client(node).ownMetric("app_metrics_proxy_peers");
  /** Waits until a node's proxy reports the role of its node. */
  const untilRole = (node: SwarmNode, role: "manager" | "worker") =>
    until(
      async () => (await swarm.client(node).targets()).replication?.manager,
      (manager) => manager === (role === "manager"),
      `${node.name} is a ${role}`,
    );

  it("applies the labels of a service, which only managers know, on a worker", async () => {
    await deployStack(nodes[0]!.engine, "shop", [labelled]);
    await runningTasks(swarm.lab, "shop_apart", 1);
    await until(() => statusOn("/apart/metrics"), all(200), "apart is served");
    expect(await swarm.client(nodes[0]!).metrics("apart")).toBe("apart_up 1\n");
  });

  it("follows promotion and demotion, without a restart", async () => {
    await deployStack(nodes[0]!.engine, "shop", [
      appStack("shop_net", { name: "web", deploy: "replicas: 3" }),
    ]);
    const proxies = async () => (await runningTasks(swarm.lab, proxyService, 3)).map(({ id }) => id).sort();
    const before = await proxies();
    await docker("node", "promote", "node-3");
    await untilRole(nodes[2]!, "manager");
    await docker("node", "demote", "node-2");
    await untilRole(nodes[1]!, "worker");
    for (const node of nodes) expect(await peers(node)).toBe(2);
    await swarm.untilConnected();
    await scaleTo(5);
    expect(await proxies()).toEqual(before);
  });

  it("sends labels of services, and their changes, to a former manager", async () => {
    await docker("service", "update", "--detach", "--label-add", "metrics.name=renamed", "shop_apart");
    await until(() => statusOn("/renamed/metrics"), all(200), "the new name is served");
    await docker(
      ...["service", "update", "--detach", "--constraint-rm", "node.hostname == node-3"],
      ...["--constraint-add", "node.hostname == node-2", "shop_apart"],
    );
    const there = await nodes[1]!.id();
    await runningTasks(swarm.lab, "shop_apart", 1, ([task]) => task?.nodeId === there);
    await until(
      () => statusOn("/renamed/1/metrics"),
      all(200),
      "it is served from the other node",
      2000 * interval,
    );
  });

  it("follows a node that leaves for good, and one that joins", async () => {
    const leaver = nodes[1]!;
    const id = await leaver.id();
    await leaver.engine.docker(["swarm", "leave"]);
    const state = async () => (await swarm.lab.roles())["node-2"]?.status;
    await until(state, (status) => status === "Down", "the swarm lists it as down");
    await docker("node", "rm", id);
    const web = await runningTasks(swarm.lab, "shop_web", 5);
    const rest = nodes.filter((node) => node !== leaver);
    await allShow(swarm, "web", { shop_web: web }, 2 * interval, rest);
    for (const node of rest) {
      await until(
        () => peers(node),
        (count) => count === 1,
        `it is no longer a peer of ${node.name}`,
      );
    }

    await swarm.lab.join(leaver, "worker");
    await runningTasks(swarm.lab, proxyService, 3);
    await swarm.untilReady();
    await scaleTo(9);
  });
}
