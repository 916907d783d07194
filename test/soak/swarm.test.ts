import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeOnEngine } from "../e2e/requirements.js";
import { type ProxySwarm, startProxySwarm } from "../e2e/swarm/proxy-swarm.js";
import { watchForDuplicates } from "../e2e/swarm/watch.js";
import { deployStack } from "../support/docker/stack.js";
import type { SwarmNode } from "../support/docker/swarm-lab.js";

const minutes = Number(process.env["SOAK_MINUTES"] ?? 20);
/** Seconds between two changes of the services, and between two samples of the figures. */
const changeEvery = 15;
const lookEvery = 10;

const shop = `
version: "3.8"
services:
  web: { image: sample-exporter, networks: [shop_net], stop_signal: KILL, deploy: { endpoint_mode: dnsrr } }
  api: { image: sample-exporter, networks: [shop_net], stop_signal: KILL, deploy: { endpoint_mode: dnsrr } }
networks:
  shop_net: { external: true }
`;

/** Metrics of the proxy that must not grow. */
const figures = {
  memory: "process_resident_memory_bytes",
  heap: "nodejs_heap_size_used_bytes",
  descriptors: "process_open_fds",
  connections: "app_metrics_proxy_peers",
} as const;
type Look = Record<keyof typeof figures, number>;

describeOnEngine(`a swarm whose services are scaled all the time for ${minutes} minutes`, () => {
  let swarm: ProxySwarm;
  beforeAll(async () => {
    swarm = await startProxySwarm();
    await swarm.createNetworks("shop_net");
    await swarm.deployProxy(["shop_net"]);
    await deployStack(swarm.lab.nodes[0]!.engine, "shop", [shop]);
  });
  afterAll(() => swarm?.stop());

  async function look(node: SwarmNode): Promise<Look> {
    const client = swarm.client(node);
    const values = Object.entries(figures).map(async ([figure, metric]) => [
      figure,
      await client.ownMetric(metric, figure === "connections" ? 'state="connected"' : ""),
    ]);
    return Object.fromEntries(await Promise.all(values)) as Look;
  }

  it("uses no more memory, descriptors and connections at the end than after warming up", async () => {
    const { lab } = swarm;
    const watch = watchForDuplicates(lab.nodes.map(swarm.client), ["/web/metrics", "/federate"]);
    const looks = new Map<string, Look[]>(lab.nodes.map(({ name }) => [name, []]));
    const end = performance.now() + minutes * 60_000;
    const changing = (async () => {
      for (let turn = 0; performance.now() < end; turn++) {
        const count = 1 + ((turn * 4) % 9);
        await lab.docker(["service", "scale", "--detach", `shop_web=${count}`, `shop_api=${10 - count}`]);
        await sleep(changeEvery * 1000);
      }
    })();
    while (performance.now() < end) {
      await sleep(lookEvery * 1000);
      for (const node of lab.nodes) looks.get(node.name)!.push(await look(node));
    }
    await changing;
    await watch.end();

    for (const [name, all] of looks) {
      const early = typical(all.slice(Math.floor(all.length / 4), Math.floor(all.length / 2)));
      const late = typical(all.slice(-Math.floor(all.length / 4)));
      console.log(name, JSON.stringify({ looks: all.length, early, late }));
      // Memory of a process varies; a leak grows steadily.
      expect(late.memory, `${name}: memory`).toBeLessThan(early.memory * 1.15);
      expect(late.heap, `${name}: heap`).toBeLessThan(early.heap * 1.15);
      expect(late.descriptors, `${name}: descriptors`).toBeLessThanOrEqual(early.descriptors + 5);
      expect(late.connections, `${name}: connections`).toBeLessThanOrEqual(early.connections);
    }
  });
});

/** The median of each figure. */
function typical(looks: readonly Look[]): Look {
  const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const entries = Object.keys(figures).map((figure) => [
    figure,
    median(looks.map((look) => look[figure as keyof Look])),
  ]);
  return Object.fromEntries(entries) as Look;
}
