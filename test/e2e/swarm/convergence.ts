import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { removeContainers, runContainer } from "../../support/docker/containers.js";
import { importSampleApp } from "../../support/docker/images.js";
import { deployStack } from "../../support/docker/stack.js";
import type { SwarmNode } from "../../support/docker/swarm-lab.js";
import { runningTasks } from "../../support/docker/tasks.js";
import { until } from "../../support/docker/until.js";
import { askBySsh, run } from "../../support/openssh.js";
import { type ProxySwarm, proxyService, sshPort, startProxySwarm, swarmSecret } from "./proxy-swarm.js";

/** How many changes of a target are observed. */
const changes = Number(process.env["TEST_CHANGES"] ?? 50);
/** Seconds for which a node is cut off. */
const cutSeconds = Number(process.env["TEST_CUT_SECONDS"] ?? 25);
/** HISTORY in seconds: longer than the cut and the recovery of the swarm together. */
const history = 240;
/** Milliseconds between two requests to one node. */
const pollMs = 40;

/** A service on one node. @param kind of the sample app. @param labels under `deploy`, as YAML. */
const service = (name: string, node: string, kind: string, labels = "") => `
  ${name}:
    image: sample-app
    command: [${kind}]
    networks: [shop_net]
    stop_signal: KILL
    deploy:
      endpoint_mode: dnsrr
      placement: { constraints: ["node.hostname == ${node}"] }
      labels: { ${labels} }
`;

/** `clock` and `far-clock` change with every scrape. `hanging` never responds; its label has it scraped in every cycle. */
const shop = `
version: "3.8"
services:
${service("clock", "node-3", "clock")}
${service("hanging", "node-3", "silent", 'metrics.port: "8080"')}
${service("silent", "node-3", "idle")}
${service("far-clock", "node-1", "clock")}
networks:
  shop_net: { external: true }
`;

/** Every node ends with the same targets and scrapes, soon. Starts a swarm of its own, with a second worker. */
export function describeConvergence(): void {
  let swarm: ProxySwarm;
  let nodes: readonly SwarmNode[];
  /** The worker whose targets are observed. */
  let worker: SwarmNode;

  beforeAll(async () => {
    swarm = await startProxySwarm({ managers: 2, workers: 2 });
    ({ nodes } = swarm.lab);
    worker = nodes[2]!;
    await Promise.all([nodes[0]!, worker].map(({ engine }) => importSampleApp(engine)));
    await swarm.createNetworks("shop_net");
    await swarm.deployProxy(["shop_net"], { HISTORY: String(history), SCRAPE_TIMEOUT: "1.5" });
    await deployStack(nodes[0]!.engine, "shop", [shop]);
    await runContainer(worker.engine, "sample-exporter", { name: "apart" });
    await Promise.all(["shop_clock", "shop_far-clock"].map((name) => runningTasks(swarm.lab, name, 1)));
    await swarm.untilConnected();
    for (const name of ["clock", "far-clock"]) {
      const times = () => Promise.all(nodes.map((node) => timeShown(node, name)));
      await until(times, (all) => all.every((time) => time !== undefined), `all nodes serve ${name}`);
    }
  });
  afterAll(async () => {
    if (worker !== undefined) await removeContainers(worker.engine, "apart");
    await swarm?.stop();
  });
  beforeEach(({ onTestFailed }) => onTestFailed(async () => console.error(await swarm.logs())));

  /** The value that a node serves of a clock, in milliseconds since the epoch. */
  async function timeShown(node: SwarmNode, name: string): Promise<number | undefined> {
    const { body } = await swarm.client(node).get(`/${name}/metrics`);
    const value = /^app_time_seconds (.*)$/m.exec(body)?.[1];
    return value === undefined ? undefined : Math.round(Number(value) * 1000);
  }

  /** Observes a clock on one node: its values, and after how many milliseconds each was served. */
  async function observe(node: SwarmNode, count: number): Promise<Map<number, number>> {
    const seen = new Map<number, number>();
    let last = await timeShown(node, "clock");
    while (seen.size < count) {
      await sleep(pollMs);
      const time = await timeShown(node, "clock");
      if (time === undefined || time === last) continue;
      seen.set(time, Date.now() - time);
      last = time;
    }
    return seen;
  }

  it("serves each change on a worker on every node, while another target there hangs", {
    timeout: changes * 10_000,
  }, async () => {
    const observed = await Promise.all(nodes.map((node) => observe(node, changes)));
    const own = observed[nodes.indexOf(worker)]!;
    for (const [index, node] of nodes.entries()) {
      const delays = [...observed[index]!.values()].sort((a, b) => a - b);
      const at = (part: number) => delays[Math.min(delays.length - 1, Math.floor(delays.length * part))];
      const [median, p95, max] = [at(0.5), at(0.95), delays.at(-1)];
      console.log(`${node.name}: ${delays.length} changes; ms until served`, { median, p95, max });
      // The first and the last change may be seen by some of the nodes only.
      const others = [...observed[index]!.keys()];
      const common = others.filter((time) => own.has(time));
      expect(common.length, `changes seen by ${node.name}`).toBeGreaterThanOrEqual(changes - 2);
    }
    const targets = (await swarm.client(nodes[0]!).targets()).targets;
    expect(targets.find(({ names }) => names.includes("hanging"))).toMatchObject({ state: "down" });
  });

  it("lists the targets of all nodes on every node, with the reasons of those that are not served", async () => {
    const expected = [
      { node: "node-3", job: "shop_clock", state: "up", reason: undefined },
      { node: "node-1", job: "shop_far-clock", state: "up", reason: undefined },
      { node: "node-3", job: "shop_hanging", state: "down", reason: /1\.5 s/ },
      { node: "node-3", job: "shop_silent", state: "no metrics", reason: /refused/ },
      { node: "node-3", job: "apart", state: "unreachable", reason: /no shared network/ },
    ];
    const listed = async () => {
      const all = await Promise.all(nodes.map((node) => swarm.client(node).targets()));
      return all.map(({ targets }) =>
        expected.map(({ node, job }) => {
          const found = targets.filter((target) => target.node === node && target.job === job);
          return found.map(({ state, reason }) => ({ state, reason }));
        }),
      );
    };
    const isRight = (all: Awaited<ReturnType<typeof listed>>) =>
      all.every((targets) =>
        targets.every(([target, ...more], index) => {
          const { state, reason } = expected[index]!;
          if (target?.state !== state || more.length > 0) return false;
          return reason === undefined || reason.test(target.reason ?? "");
        }),
      );
    await until(listed, isRight, `all nodes list ${JSON.stringify(expected)}`, 20_000);
    for (const node of nodes) {
      const { status, body } = await swarm.client(node).get("/silent/metrics");
      expect({ status, body }).toMatchObject({ status: 503, body: expect.stringMatching(/refused/) });
    }
  });

  /** The scrapes that a node has: their names in its export. */
  async function exported({ address }: SwarmNode): Promise<string[]> {
    const access = { host: address, port: sshPort, password: swarmSecret };
    const archive = await askBySsh(access, ["export"]);
    expect(archive).toMatchObject({ code: 0, err: "" });
    const list = await run("tar", ["-t"], {}, archive.out);
    expect(list).toMatchObject({ code: 0, err: "" });
    return list.out
      .toString()
      .split("\n")
      .filter((name) => /\/shop_[^/]*clock\/[^/]*\/\d+-[0-9a-f]{8}\.gz$/.test(name));
  }

  /** The time in a scrape's number, in milliseconds since the epoch. */
  const timeOf = (name: string) => Number(/\/(\d+)-[^/]*$/.exec(name)![1]) / 1000;

  it("has all scrapes younger than HISTORY on every node after a partition", {
    timeout: (cutSeconds + 240) * 1000,
  }, async () => {
    const from = Date.now();
    await worker.cut();
    await sleep(cutSeconds * 1000);
    await worker.heal();
    const healed = Date.now();
    await swarm.lab.allReady();
    await runningTasks(swarm.lab, proxyService, nodes.length);
    await swarm.untilReady();
    await swarm.untilConnected();

    const sides = async () => {
      const until = Date.now() - 5000;
      const oldest = Date.now() - (history - 20) * 1000;
      const lists = await Promise.all(nodes.map(exported));
      return lists.map((names) =>
        names.filter((name) => timeOf(name) > oldest && timeOf(name) < until).sort(),
      );
    };
    const isSame = (lists: readonly string[][]) => lists.every((names) => `${names}` === `${lists[0]}`);
    const [scrapes] = await until(sides, isSame, "all nodes have the same scrapes", 60_000);
    for (const origin of ["node-3", "node-1"]) {
      const during = scrapes!.filter(
        (name) => name.startsWith(`${origin}/`) && timeOf(name) > from && timeOf(name) < healed,
      );
      console.log(`${origin}: ${during.length} scrapes during a cut of ${cutSeconds} s are on all nodes`);
      // One in each interval of 2 s; a busy machine skips some.
      expect(during.length).toBeGreaterThan(cutSeconds / 6);
    }
  });
}
