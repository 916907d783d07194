import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { deployStack } from "../../support/docker/stack.js";
import type { SwarmNode } from "../../support/docker/swarm-lab.js";
import { runningTasks, type Task } from "../../support/docker/tasks.js";
import { twoHoursAhead } from "../../support/faketime.js";
import { allShow, appStack } from "./apps.js";
import { folderOfThisNode, writeOfThisNode } from "./of-this-node.js";
import { interval, type ProxySwarm, proxyService, staleAfter } from "./proxy-swarm.js";
import { watchForAge } from "./watch.js";

/** The value of `$LIB` for the dynamic loader of Debian. */
const debianLibraries = `lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;

/** The proxy of one node, a worker, runs two hours ahead of the others. */
export function describeClocks(theSwarm: () => ProxySwarm): void {
  let swarm: ProxySwarm;
  let ahead: SwarmNode;
  let others: readonly SwarmNode[];
  let ownTasks: readonly Task[];
  let otherTasks: readonly Task[];

  beforeAll(async () => {
    swarm = theSwarm();
    const { nodes } = swarm.lab;
    const roles = await swarm.lab.roles();
    ahead = nodes.find(({ name }) => roles[name]?.manager === "")!;
    others = nodes.filter((node) => node !== ahead);
    const before = await runningTasks(swarm.lab, proxyService, 3);
    await setClock();
    const isNew = (tasks: readonly Task[]) => tasks.every(({ id }) => !before.some((old) => old.id === id));
    await runningTasks(swarm.lab, proxyService, 3, isNew);
    await swarm.untilReady();
    const web = { name: "web", deploy: "replicas: 6" };
    await deployStack(nodes[0]!.engine, "shop", [appStack("shop_net", web)]);
    const replicas = await runningTasks(swarm.lab, "shop_web", 6);
    const id = await ahead.id();
    ownTasks = replicas.filter(({ nodeId }) => nodeId === id);
    otherTasks = replicas.filter(({ nodeId }) => nodeId !== id);
    await allShow(swarm, "web", { shop_web: replicas }, 15);
  });
  afterAll(() => swarm.removeStacks("shop"));

  /** Only one node has the library that changes the clock; on the others, the loader ignores that it is missing. */
  async function setClock() {
    const { LD_PRELOAD: library, ...settings } = await twoHoursAhead();
    for (const node of others) await writeOfThisNode(node);
    await writeOfThisNode(ahead, {
      name: basename(library!),
      content: await readFile(library!.replace("$LIB", debianLibraries)),
    });
    const environment = {
      ...settings,
      LD_PRELOAD: `${folderOfThisNode}/${basename(library!)}`,
      STALE_AFTER: String(staleAfter),
    };
    await swarm.lab.docker([
      ...["service", "update", "--detach", "--update-parallelism", "0"],
      ...["--mount-add", `type=bind,source=${folderOfThisNode},target=${folderOfThisNode},readonly`],
      ...Object.entries(environment).flatMap(([name, value]) => ["--env-add", `${name}=${value}`]),
      proxyService,
    ]);
  }

  const pathOf = ({ slot }: Task) => `/shop_web/${slot}/metrics`;

  it("writes log times that are two hours ahead", async () => {
    const last = (await swarm.log(ahead)).split("\n").at(-1)!;
    const { timestamp } = JSON.parse(last) as { timestamp: string };
    expect(Date.parse(timestamp) - Date.now()).toBeGreaterThan(7_000_000);
  });

  it("keeps all metrics fresh on all nodes", async () => {
    const ages = watchForAge([ahead, ...others].map(swarm.client), [...ownTasks, ...otherTasks].map(pathOf));
    await sleep(2 * staleAfter * 1000);
    expect(await ages.end()).toBeLessThan(staleAfter);
  });

  it("is omitted on /federate, and named", async () => {
    const federated = async (node: SwarmNode, tasks: readonly Task[]) => {
      const { body, headers } = await swarm.client(node).get("/federate");
      const found = tasks.map(({ slot }) =>
        new RegExp(`^app_info\\{[^}]*instance="shop_web\\.${slot}"[^}]*\\} 1 \\d+$`, "m").test(body),
      );
      return { found: new Set(found), offsets: headers.get("x-clock-offset") };
    };
    for (const node of others) {
      expect(await federated(node, ownTasks)).toEqual({
        found: new Set([false]),
        offsets: expect.stringMatching(new RegExp(`^${ahead.name}=7(199|200|201)\\.\\d$`)),
      });
      expect((await federated(node, otherTasks)).found).toEqual(new Set([true]));
      expect(await swarm.log(node)).toContain("clock of a node differs");
    }
    expect((await federated(ahead, ownTasks)).found).toEqual(new Set([true]));
    expect((await federated(ahead, otherTasks)).found).toEqual(new Set([false]));
  });

  it("stops serving its metrics in time when the node is cut off", async () => {
    const since = performance.now();
    await ahead.cut();
    try {
      await allShow(swarm, "web", { shop_web: otherTasks }, staleAfter + 6, others);
    } finally {
      await ahead.heal();
    }
    expect((performance.now() - since) / 1000).toBeGreaterThan(staleAfter - 2 * interval);
    await allShow(swarm, "web", { shop_web: [...ownTasks, ...otherTasks] }, 30);
  });
}
