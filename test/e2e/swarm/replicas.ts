import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { removeContainers, runContainer } from "../../support/docker/containers.js";
import { deployStack } from "../../support/docker/stack.js";
import type { SwarmNode } from "../../support/docker/swarm-lab.js";
import { runningTasks, type Task, tasksOf } from "../../support/docker/tasks.js";
import { until } from "../../support/docker/until.js";
import { allShow, appStack, shown } from "./apps.js";
import { interval, type ProxySwarm } from "./proxy-swarm.js";
import { type Watch, watchForDuplicates } from "./watch.js";

const web = (replicas: number) => ({
  name: "web",
  deploy: `replicas: ${replicas}, update_config: { parallelism: 2, monitor: 1s }`,
});
const agent = { name: "agent", deploy: "mode: global" };

/** Every node serves every replica while replicas start, move, change and end. */
export function describeReplicas(theSwarm: () => ProxySwarm): void {
  let swarm: ProxySwarm;
  let nodes: readonly SwarmNode[];

  beforeAll(() => {
    swarm = theSwarm();
    ({ nodes } = swarm.lab);
  });
  afterAll(async () => {
    await swarm.removeStacks("shop");
    await removeContainers(nodes[2]!.engine, "lone");
  });

  it("serves all replicas on each node within an interval and a second", async () => {
    await Promise.all([
      deployStack(nodes[0]!.engine, "shop", [appStack("shop_net", web(6), agent)]),
      deployStack(nodes[0]!.engine, "store", [appStack("store_net", web(2))]),
      runContainer(nodes[2]!.engine, "sample-exporter", { name: "lone", network: "shop_net" }),
    ]);
    const [shop, store] = await Promise.all([
      runningTasks(swarm.lab, "shop_web", 6),
      runningTasks(swarm.lab, "store_web", 2),
      runningTasks(swarm.lab, "shop_agent", 3),
    ]);
    const within = interval + 1;
    await Promise.all([
      allShow(swarm, "shop_web", { shop_web: shop }, within),
      allShow(swarm, "store_web", { store_web: store }, within),
      allShow(swarm, "web", { shop_web: shop, store_web: store }, within),
    ]);
    expect(new Set(shop.map(({ nodeId }) => nodeId)).size).toBe(3);
  });

  it("serves only the containers of the node for a global service and a single container", async () => {
    const agents = await tasksOf(swarm.lab, "shop_agent");
    for (const node of nodes) {
      const id = await node.id();
      const own = agents.find(({ nodeId }) => nodeId === id)!.containerId.slice(0, 12);
      expect(await shown(swarm.client(node), "agent")).toEqual({ "": own });
      expect(Object.values(await shown(swarm.client(node), `agent/${node.name}`))).toEqual([own]);
    }
    const lone = await Promise.all(nodes.map((node) => swarm.client(node).get("/lone/metrics")));
    expect(lone.map(({ status }) => status)).toEqual([503, 503, 200]);
    expect(lone[0]!.body).toContain("on node node-3: served by that node only");
  });

  describe("under constant requests", () => {
    let watch: Watch;
    beforeAll(() => {
      const paths = ["/web/metrics", "/shop_web/metrics", "/federate"];
      watch = watchForDuplicates(nodes.map(swarm.client), paths);
    });
    const docker = (...args: string[]) => swarm.lab.docker(args);
    const follows = async (tasks: readonly Task[], on = nodes) =>
      allShow(swarm, "shop_web", { shop_web: tasks }, 2 * interval, on);

    it.each([9, 2, 6])(
      "follows a service that is scaled to %i on all nodes within two intervals",
      async (count) => {
        await docker("service", "scale", "--detach", `shop_web=${count}`);
        await follows(await runningTasks(swarm.lab, "shop_web", count));
      },
    );

    it.each(["stop-first", "start-first"])("follows a rolling update, %s", async (order) => {
      const before = new Set((await runningTasks(swarm.lab, "shop_web", 6)).map(({ id }) => id));
      const change = ["--env-add", `VERSION=${order}`, "--update-order", order];
      await docker("service", "update", "--detach", ...change, "shop_web");
      const isNew = (tasks: readonly Task[]) => tasks.every(({ id }) => !before.has(id));
      await follows(await runningTasks(swarm.lab, "shop_web", 6, isNew));
    });

    it("follows tasks that move to another node", async () => {
      await docker("node", "update", "--availability", "drain", "node-3");
      const worker = await nodes[2]!.id();
      const moved = (tasks: readonly Task[]) => tasks.every(({ nodeId }) => nodeId !== worker);
      await follows(await runningTasks(swarm.lab, "shop_web", 6, moved), nodes.slice(0, 2));
    });

    it("serves all replicas on a node that comes back", async () => {
      await docker("node", "update", "--availability", "active", "node-3");
      await runningTasks(swarm.lab, "metrics_proxy", 3);
      await swarm.untilReady();
      await follows(await runningTasks(swarm.lab, "shop_web", 6));
    });

    it("follows the removal of a stack", async () => {
      await swarm.removeStacks("store");
      await follows(await runningTasks(swarm.lab, "shop_web", 6));
      const statuses = () =>
        Promise.all(nodes.map(async (node) => (await swarm.client(node).get("/store_web/metrics")).status));
      await until(
        statuses,
        (all) => all.every((status) => status === 404),
        "store_web is gone",
        2000 * interval,
      );
    });

    it("never served a series twice", () => watch.end());
  });
}
