import { afterAll, beforeAll, expect, it } from "vitest";
import { deployStack } from "../../support/docker/stack.js";
import type { SwarmNode } from "../../support/docker/swarm-lab.js";
import { runningTasks } from "../../support/docker/tasks.js";
import { until } from "../../support/docker/until.js";
import { allShow, appStack } from "./apps.js";
import { interval, type ProxySwarm, proxyService } from "./proxy-swarm.js";

/** Whether all nodes answer with a status. */
const all = (status: number) => (statuses: readonly number[]) => statuses.every((one) => one === status);

/** A service on the worker whose metrics are where only its deploy labels say. */
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

  /** Scales the service and waits until all nodes show just that. */
  async function scaleTo(count: number) {
    await docker("service", "scale", "--detach", `shop_web=${count}`);
    await allShow(swarm, "web", { shop_web: await runningTasks(swarm.lab, "shop_web", count) }, 2 * interval);
  }

  /** How many peers a node talks to, and in which state. */
  const peers = (node: SwarmNode, state = "") =>
    swarm.client(node).ownMetric("app_metrics_proxy_peers", state);

  it("scrapes on a worker where the labels of a service say, which only managers know", async () => {
    await deployStack(nodes[0]!.engine, "shop", [labelled]);
    await runningTasks(swarm.lab, "shop_apart", 1);
    await until(() => statusOn("/apart/metrics"), all(200), "apart is shown");
    expect(await swarm.client(nodes[0]!).metrics("apart")).toBe("apart_up 1\n");
  });

  it("follows promotion and demotion, without a restart", async () => {
    await deployStack(nodes[0]!.engine, "shop", [
      appStack("shop_net", { name: "web", deploy: "replicas: 3" }),
    ]);
    const proxies = async () => (await runningTasks(swarm.lab, proxyService, 3)).map(({ id }) => id).sort();
    const before = await proxies();
    await docker("node", "promote", "node-3");
    await until(
      () => peers(nodes[2]!, 'state="connected"'),
      (count) => count === 2,
      "the new manager has peers",
    );
    await docker("node", "demote", "node-2");
    await until(
      () => peers(nodes[1]!),
      (count) => count === 0,
      "the new worker has none",
    );
    await scaleTo(5);
    expect(await proxies()).toEqual(before);
  });

  it("tells one who is a worker now the labels of services, and when they change", async () => {
    await docker("service", "update", "--detach", "--label-add", "metrics.name=renamed", "shop_apart");
    await until(() => statusOn("/renamed/metrics"), all(200), "the new name counts");
    await docker(
      ...["service", "update", "--detach", "--constraint-rm", "node.hostname == node-3"],
      ...["--constraint-add", "node.hostname == node-2", "shop_apart"],
    );
    const there = await nodes[1]!.id();
    await runningTasks(swarm.lab, "shop_apart", 1, ([task]) => task?.nodeId === there);
    await until(
      () => statusOn("/renamed/1/metrics"),
      all(200),
      "it is shown from where it is now",
      2000 * interval,
    );
  });

  it("follows a node that leaves for good, and one that joins", async () => {
    const leaver = nodes[1]!;
    const id = await leaver.id();
    await leaver.engine.docker(["swarm", "leave"]);
    const state = async () => (await swarm.lab.roles())["node-2"]?.status;
    await until(state, (status) => status === "Down", "the swarm knows that it left");
    await docker("node", "rm", id);
    const web = await runningTasks(swarm.lab, "shop_web", 5);
    const rest = nodes.filter((node) => node !== leaver);
    await allShow(swarm, "web", { shop_web: web }, 2 * interval, rest);
    await until(
      () => peers(nodes[0]!),
      (count) => count === 1,
      "it is no peer any more",
    );

    await swarm.lab.join(leaver, "worker");
    await runningTasks(swarm.lab, proxyService, 3);
    await swarm.untilReady();
    await scaleTo(9);
  });
}
