import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { deployStack } from "../../support/docker/stack.js";
import type { SwarmNode } from "../../support/docker/swarm-lab.js";
import { runningTasks, type Task } from "../../support/docker/tasks.js";
import { until } from "../../support/docker/until.js";
import { askBySsh, run } from "../../support/openssh.js";
import { allShow, appStack, containersIn, showing, shown } from "./apps.js";
import { interval, type ProxySwarm, proxyService, sshPort, staleAfter, swarmSecret } from "./proxy-swarm.js";
import { watchForAge } from "./watch.js";

/**
 * How long nodes are cut off, in seconds: longer than STALE_AFTER, and so long that the swarm has surely given them up,
 * which it does after some 15. Were it about to, their replicas would move while the tests look.
 */
const cutSeconds = Number(process.env["TEST_CUT_SECONDS"] ?? 25);

/** Nodes lose their power or their cable, and proxies start anew. */
export function describeFaults(theSwarm: () => ProxySwarm): void {
  let swarm: ProxySwarm;
  let nodes: readonly SwarmNode[];
  let leader: SwarmNode;
  let manager: SwarmNode;
  let worker: SwarmNode;
  let replicas: readonly Task[];

  beforeAll(async () => {
    swarm = theSwarm();
    ({ nodes } = swarm.lab);
    const roles = await swarm.lab.roles();
    const having = (role: string) => nodes.find(({ name }) => roles[name]?.manager === role)!;
    [leader, manager, worker] = [having("Leader"), having("Reachable"), having("")];
    const web = { name: "web", deploy: "replicas: 6" };
    await deployStack(nodes[0]!.engine, "shop", [appStack("shop_net", web)]);
    await allAsBefore();
  });
  afterAll(() => swarm.removeStacks("shop"));

  /** Waits until all nodes show all replicas; it may take an exchange or two after a fault, and the swarm may move some. */
  async function allAsBefore() {
    const look = async () => {
      replicas = await runningTasks(swarm.lab, "shop_web", 6);
      const running = JSON.stringify(showing({ shop_web: replicas }));
      const all = await Promise.all(nodes.map((node) => shown(swarm.client(node), "web")));
      return { running, shown: all.map((seen) => JSON.stringify(seen)) };
    };
    await until(look, (all) => all.shown.every((seen) => seen === all.running), "all nodes show what runs");
  }

  /** Waits until the managers agree again, and have a proxy run on each node. */
  async function swarmIsBack() {
    await swarm.lab.allReady();
    await runningTasks(swarm.lab, proxyService, 3);
  }

  /** Cuts a node off; resolves when it is back. */
  async function cutOff(node: SwarmNode) {
    await node.cut();
    await sleep(cutSeconds * 1000);
    await node.heal();
  }

  /** Splits what runs into the replicas of one node and all others. */
  async function around(node: SwarmNode) {
    const id = await node.id();
    return {
      its: replicas.filter(({ nodeId }) => nodeId === id),
      others: replicas.filter(({ nodeId }) => nodeId !== id),
      rest: nodes.filter((other) => other !== node),
    };
  }

  /**
   * Waits until the replicas of a node that fell silent just now are not shown any more on the others, and checks
   * that they were, as long as they were fresh, and that all others were kept fresh.
   */
  async function agesOut(node: SwarmNode, { others, rest }: Awaited<ReturnType<typeof around>>) {
    const since = performance.now();
    const ages = watchForAge(
      rest.map(swarm.client),
      others.map(({ slot }) => `/shop_web/${slot}/metrics`),
    );
    await allShow(swarm, "web", { shop_web: others }, staleAfter + 4, rest);
    // The last exchange before was at most an interval ago, and brought what was scraped at most one before it.
    expect((performance.now() - since) / 1000).toBeGreaterThan(staleAfter - 2 * interval);
    await sleep(2 * interval * 1000);
    expect(await ages.end(), `the oldest replica of another node than ${node.name}`).toBeLessThanOrEqual(
      2 * interval,
    );
  }

  it("shows the cache of a node to ssh and tar", async () => {
    for (const { address } of nodes) {
      const access = { host: address, port: sshPort, password: swarmSecret };
      const exported = await askBySsh(access, ["export"]);
      expect(exported).toMatchObject({ code: 0, err: "" });
      const listed = await run("tar", ["-tv"], {}, exported.out);
      expect(listed).toMatchObject({ code: 0, err: "" });
      const names = listed.out.toString().match(/node-\d\/shop_web\.\d-/g);
      expect(names?.map((name) => name.slice(-2, -1)).sort()).toEqual(["1", "2", "3", "4", "5", "6"]);
    }
  });

  it("serves the replicas of a worker that is cut off until they are stale, and again when it is back", async () => {
    const parts = await around(worker);
    const healed = cutOff(worker);
    await agesOut(worker, parts);
    expect(containersIn(await askInside(worker, "/web/metrics"))).toEqual(showing({ shop_web: parts.its }));
    await healed;
    await swarmIsBack();
    await allAsBefore();
  });

  it("goes on where a manager loses its power, though the swarm has no leader then", async () => {
    const parts = await around(leader);
    await leader.engine.powerOff();
    await agesOut(leader, parts);
    await leader.engine.powerOn();
    await swarmIsBack();
    await allAsBefore();
  });

  it("goes on where a manager is cut off, and so does that manager", async () => {
    const parts = await around(manager);
    const healed = cutOff(manager);
    await agesOut(manager, parts);
    expect(containersIn(await askInside(manager, "/web/metrics"))).toEqual(showing({ shop_web: parts.its }));
    await healed;
    await swarmIsBack();
    await allAsBefore();
  });

  it("serves at once what was fresh when all proxies are restarted", async () => {
    await swarm.untilInTouch();
    await allAsBefore();
    // Longer than the swarm may take for it: what was fresh before still is.
    const change = ["--env-add", "STALE_AFTER=120", "--update-parallelism", "0", "--detach"];
    const first = nodes.map(async (node) => {
      const asked = () =>
        swarm
          .client(node)
          .get("/web/metrics")
          .then(({ status, body }) => ({ status, body }));
      const gone = () =>
        asked().then(
          () => false,
          () => true,
        );
      await until(gone, (yes) => yes, `the proxy of ${node.name} ends`);
      return until(asked, () => true, `the proxy of ${node.name} begins`);
    });
    await swarm.lab.docker(["service", "update", ...change, proxyService]);
    for (const { status, body } of await Promise.all(first)) {
      expect({ status, shown: status === 200 ? containersIn(body) : body }).toEqual({
        status: 200,
        shown: showing({ shop_web: replicas }),
      });
    }
    await swarm.untilReady();
    await allAsBefore();
  });

  /** Asks a node's proxy from inside its container, as one that is cut off cannot be asked from here. */
  async function askInside({ engine }: SwarmNode, path: string): Promise<string> {
    const filter = `label=com.docker.swarm.service.name=${proxyService}`;
    const id = await engine.docker(["ps", "--quiet", "--filter", filter]);
    const script = `fetch("http://127.0.0.1:2137${path}").then((r) => r.text()).then((t) => process.stdout.write(t))`;
    return `${await engine.docker(["exec", id, "node", "-e", script])}\n`;
  }
}
