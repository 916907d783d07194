import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { deployStack } from "../../support/docker/stack.js";
import type { SwarmNode } from "../../support/docker/swarm-lab.js";
import { runningTasks, type Task, tasksOf } from "../../support/docker/tasks.js";
import { until } from "../../support/docker/until.js";
import { allShow, appStack } from "./apps.js";
import { folderOfThisNode, writeOfThisNode } from "./of-this-node.js";
import { type ProxySwarm, swarmSecret } from "./proxy-swarm.js";

/**
 * The compose file for a swarm of the predecessor with the same name. The quotes become part of the value of PORTS; it
 * has neither an endpoint mode nor a volume.
 */
const predecessor = `
version: "3.8"
services:
  app-metrics-proxy:
    image: app-metrics-proxy:latest
    ports:
      - published: 2137
        target: 2137
        mode: host
    networks:
      - monitor-network
      - application-network
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock:ro
    environment:
      - PORTS="443 1201"
      - SSHPASS=\${SSHPASS}
    deploy:
      mode: global
networks:
  monitor-network: { driver: overlay }
  application-network: { external: true, name: shop_net }
`;

/** Has each node read its secret from a file, so that one node can have a different one. */
const secretOfNode = `
version: "3.8"
services:
  app-metrics-proxy:
    volumes: ["${folderOfThisNode}:${folderOfThisNode}:ro"]
    environment: { SSHPASS_FILE: ${folderOfThisNode}/secret, SCRAPE_INTERVAL: "2" }
    deploy: { update_config: { parallelism: 0 } } # all at once, to save time
`;

const service = "old_app-metrics-proxy";

/** The compose file of the predecessor, with a missing and a wrong secret. */
export function describePredecessor(theSwarm: () => ProxySwarm): void {
  let swarm: ProxySwarm;
  let nodes: readonly SwarmNode[];
  let replicas: readonly Task[];

  beforeAll(async () => {
    swarm = theSwarm();
    ({ nodes } = swarm.lab);
    await swarm.removeStacks("metrics");
    // With a virtual address, as most stacks; on a port that only PORTS lists.
    const web = { name: "web", deploy: "replicas: 6", endpointMode: "vip" as const, port: 1201 };
    await deployStack(nodes[0]!.engine, "shop", [appStack("shop_net", web)]);
    replicas = await runningTasks(swarm.lab, "shop_web", 6);
  });
  beforeEach(({ onTestFailed }) => onTestFailed(async () => console.error(await swarm.logs(service))));

  const deploy = (environment: Record<string, string>, ...changes: string[]) =>
    deployStack(nodes[0]!.engine, "old", [predecessor, ...changes], environment);

  it("exits with a message if SSHPASS is not set", async () => {
    await deploy({ SSHPASS: "" });
    const failed = async () => (await tasksOf(swarm.lab, service)).filter(({ state }) => state === "failed");
    await until(failed, (tasks) => tasks.length > 0, "a task fails");
    const { containerId, nodeId } = (await failed())[0]!;
    const ids = await Promise.all(nodes.map((node) => node.id()));
    const { engine } = nodes[ids.indexOf(nodeId)]!;
    const output = (await engine.docker(["logs", containerId], { withErrors: true })).split("\n");
    expect(output.filter((line) => !line.startsWith("{"))).toEqual([
      expect.stringMatching(/^SSHPASS is not set: it is required because this is a task of a Swarm service/),
    ]);
    expect(await engine.docker(["inspect", "--format", "{{.State.ExitCode}}", containerId])).toBe("1");
  });

  it("runs and replicates", async () => {
    await deploy({ SSHPASS: swarmSecret });
    await runningTasks(swarm.lab, service, 3);
    await swarm.untilReady();
    // SCRAPE_INTERVAL has its default, 10 s.
    await allShow(swarm, "web", { shop_web: replicas }, 20);
  });

  describe("on a swarm where the worker has another SSHPASS", () => {
    let other: SwarmNode;
    let managers: readonly SwarmNode[];
    beforeAll(async () => {
      const roles = await swarm.lab.roles();
      other = nodes.find(({ name }) => roles[name]?.manager === "")!;
      managers = nodes.filter((node) => node !== other);
      const before = new Set((await tasksOf(swarm.lab, service)).map(({ id }) => id));
      for (const node of nodes)
        await writeOfThisNode(node, {
          name: "secret",
          content: node === other ? "a wrong secret here" : swarmSecret,
        });
      await deploy({ SSHPASS: "" }, secretOfNode);
      const isNew = (tasks: readonly Task[]) => tasks.every(({ id }) => !before.has(id));
      await runningTasks(swarm.lab, service, 3, isNew);
      await swarm.untilReady();
    });

    it("serves the replicas of the worker on the worker, and the others on the managers", async () => {
      const id = await other.id();
      const its = replicas.filter(({ nodeId }) => nodeId === id);
      const rest = replicas.filter(({ nodeId }) => nodeId !== id);
      await allShow(swarm, "web", { shop_web: its }, 20, [other]);
      await allShow(swarm, "web", { shop_web: rest }, 20, managers);
    });

    it("is reported by all nodes, in metrics and log, on /targets and the status page", async () => {
      for (const node of nodes) {
        const [metric, label] = [
          node === other ? "ssh_refused" : "replication_failures",
          'reason="host_key"',
        ];
        const client = swarm.client(node);
        const reports = async () => ({
          metric: (await client.ownMetric(`app_metrics_proxy_${metric}_total`, label)) > 0,
          log: /^(?=.*another SSHPASS).*"level":"warn"/m.test(await swarm.log(node, service)),
          targets: (await client.get("/targets")).body.includes("another SSHPASS"),
          page: (await client.get("/")).body.includes("another SSHPASS"),
        });
        // Both pages show the last failure. It can be another one, while the networks start.
        const seen = new Set<string>();
        const look = async () => {
          for (const [place, yes] of Object.entries(await reports())) if (yes) seen.add(place);
          return [...seen];
        };
        await until(look, ({ length }) => length === 4, `${node.name} reports another SSHPASS`);
      }
    });
  });
}
