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
 * Seconds for which nodes are cut off: longer than STALE_AFTER, and long enough for the swarm to mark them as down, which
 * takes about 15 s. Otherwise their replicas could move while the tests check them.
 */
const cutSeconds = Number(process.env["TEST_CUT_SECONDS"] ?? 25);

/** Nodes lose power or network, and proxies are restarted. */
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
    await allServeAll();
  });
  afterAll(() => swarm.removeStacks("shop"));

  /** Waits until all nodes serve all replicas that run now; after a fault, the swarm may move some. */
  async function allServeAll() {
    const look = async () => {
      replicas = await runningTasks(swarm.lab, "shop_web", 6);
      const running = JSON.stringify(showing({ shop_web: replicas }));
      const all = await Promise.all(nodes.map((node) => shown(swarm.client(node), "web")));
      return { running, shown: all.map((seen) => JSON.stringify(seen)) };
    };
    await until(
      look,
      (all) => all.shown.every((seen) => seen === all.running),
      "all nodes serve all running replicas",
    );
  }

  /** Waits until all nodes are ready, with a proxy on each, and the proxies have links to each other. */
  async function swarmRecovered() {
    await swarm.lab.allReady();
    await runningTasks(swarm.lab, proxyService, 3);
    await swarm.untilConnected();
  }

  /** Cuts a node off, and reconnects it. */
  async function cutOff(node: SwarmNode) {
    await node.cut();
    await sleep(cutSeconds * 1000);
    await node.heal();
  }

  /** The replicas of one node, all others, and the other nodes. */
  async function around(node: SwarmNode) {
    const id = await node.id();
    return {
      its: replicas.filter(({ nodeId }) => nodeId === id),
      others: replicas.filter(({ nodeId }) => nodeId !== id),
      rest: nodes.filter((other) => other !== node),
    };
  }

  /**
   * Waits until the other nodes no longer serve the replicas of a node that has just failed. Checks that they served
   * them while they were fresh, and that all other replicas stayed fresh.
   */
  async function agesOut(node: SwarmNode, { others, rest }: Awaited<ReturnType<typeof around>>) {
    const since = performance.now();
    const ages = watchForAge(
      rest.map(swarm.client),
      others.map(({ slot }) => `/shop_web/${slot}/metrics`),
    );
    await allShow(swarm, "web", { shop_web: others }, staleAfter + 4, rest);
    // The last scrape before the failure was up to an interval old; one more interval as tolerance.
    expect((performance.now() - since) / 1000).toBeGreaterThan(staleAfter - 2 * interval);
    await sleep(2 * interval * 1000);
    expect(await ages.end(), `the oldest replica of another node than ${node.name}`).toBeLessThanOrEqual(
      2 * interval,
    );
  }

  it("exports the cache of a node to ssh and tar", async () => {
    for (const { address } of nodes) {
      const access = { host: address, port: sshPort, password: swarmSecret };
      const exported = await askBySsh(access, ["export"]);
      expect(exported).toMatchObject({ code: 0, err: "" });
      const listed = await run("tar", ["-tv"], {}, exported.out);
      expect(listed).toMatchObject({ code: 0, err: "" });
      // One scrape of each replica, since their responses do not change; ended ones may be listed for a while.
      const names = listed.out.toString().matchAll(/ node-\d\/shop_web\/(\d+)\/\d+-[0-9a-f]{8}\.gz$/gm);
      expect([...names].map(([, replica]) => replica)).toEqual(
        expect.arrayContaining(["1", "2", "3", "4", "5", "6"]),
      );
    }
  });

  it("serves the replicas of a worker that is cut off until they are stale, and again after it is reconnected", async () => {
    const parts = await around(worker);
    const healed = cutOff(worker);
    try {
      await agesOut(worker, parts);
      expect(containersIn(await getInside(worker, "/web/metrics"))).toEqual(showing({ shop_web: parts.its }));
    } finally {
      await healed;
    }
    await swarmRecovered();
    await allServeAll();
  });

  it("continues when a manager loses power, although the swarm then has no leader", async () => {
    const parts = await around(leader);
    await leader.engine.powerOff();
    try {
      await agesOut(leader, parts);
    } finally {
      await leader.engine.powerOn();
    }
    await swarmRecovered();
    await allServeAll();
  });

  it("continues on both sides when a manager is cut off", async () => {
    const parts = await around(manager);
    const healed = cutOff(manager);
    try {
      await agesOut(manager, parts);
      expect(containersIn(await getInside(manager, "/web/metrics"))).toEqual(
        showing({ shop_web: parts.its }),
      );
    } finally {
      await healed;
    }
    await swarmRecovered();
    await allServeAll();
  });

  it("serves fresh metrics at once after all proxies are restarted", async () => {
    await swarm.untilConnected();
    await allServeAll();
    // Longer than the restart takes, so that metrics stay fresh.
    const change = ["--env-add", "STALE_AFTER=120", "--update-parallelism", "0", "--detach"];
    const first = nodes.map(async (node) => {
      const response = () =>
        swarm
          .client(node)
          .get("/web/metrics")
          .then(({ status, body }) => ({ status, body }));
      const gone = () =>
        response().then(
          () => false,
          () => true,
        );
      await until(gone, (yes) => yes, `the proxy of ${node.name} stops`);
      return until(response, () => true, `the proxy of ${node.name} responds`);
    });
    await swarm.lab.docker(["service", "update", ...change, proxyService]);
    for (const { status, body } of await Promise.all(first)) {
      expect({ status, shown: status === 200 ? containersIn(body) : body }).toEqual({
        status: 200,
        shown: showing({ shop_web: replicas }),
      });
    }
    await swarm.untilReady();
    await allServeAll();
  });

  /** Sends a request from inside the container of a proxy, for a node that is cut off. */
  async function getInside({ engine }: SwarmNode, path: string): Promise<string> {
    const filter = `label=com.docker.swarm.service.name=${proxyService}`;
    const id = await engine.docker(["ps", "--quiet", "--filter", filter]);
    const script = `fetch("http://127.0.0.1:2137${path}").then((r) => r.text()).then((t) => process.stdout.write(t))`;
    return `${await engine.docker(["exec", id, "node", "-e", script])}\n`;
  }
}
