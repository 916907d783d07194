import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { type BuiltProxy, requireBuild, startBuiltProxy } from "../support/built-proxy.js";
import { startTarget, type TargetServer, textType } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";
import { attack, heldByAttack, startBadPeer } from "./attackers.js";
import { freePorts } from "./daemons.js";
import { testSecret } from "./proxies.js";

const mebibyte = 1024 * 1024;
const cycles = 6;
/**
 * Bytes that the process may grow by. It was seen to grow by 145 to 240 MiB, no more in a minute than in ten seconds: the
 * peers together may have it hold 68 MiB that are not taken in yet (SCRAPE_MAX_BYTES is 1 MiB here), the rest is what
 * hundreds of connections take, and what is garbage already. Without that limit it grew by 540 MiB at once: it held all
 * of `heldByAttack`.
 */
const mayGrowBy = 400 * mebibyte;
/** Long enough for a machine that has much else to do. */
const soon = { timeout: 20_000, interval: 50 };

/** A proxy in a process of its own, with one target that tells how often it was asked. */
interface Node {
  readonly name: string;
  readonly proxy: BuiltProxy;
  readonly target: TargetServer;
}

async function startNode(name: string, sshPort: number, peers: readonly number[]): Promise<Node> {
  const target: TargetServer = await startTarget((_request, response) => {
    response.setHeader("content-type", textType);
    response.end(`asked ${target.requests.length}\n`);
  });
  const file = join(tempFolder(), "targets.json");
  writeFileSync(file, JSON.stringify([{ targets: [`127.0.0.1:${target.port}`], labels: { job: name } }]));
  const proxy = await startBuiltProxy(
    {
      TARGETS_FILE: file,
      DOCKER_HOST: "",
      SCRAPE_INTERVAL: "1",
      STALE_AFTER: "60",
      SCRAPE_MAX_BYTES: String(mebibyte),
      SSHPASS: testSecret,
      SSH_LISTEN_ADDRESS: `127.0.0.1:${sshPort}`,
      PEERS: peers.map((port) => `127.0.0.1:${port}`).join(","),
    },
    "/-/healthy",
  );
  return { name, proxy, target };
}

/** How often a node's target was asked, as another node tells it. */
async function toldBy({ proxy }: Node, { name }: Node): Promise<number> {
  const { text } = await proxy.get(`/${name}/metrics`);
  return Number(/^asked (\d+)$/m.exec(text)?.[1] ?? 0);
}

/**
 * Waits until what a node is yet to scrape has arrived at another.
 *
 * @returns how many scrapes further the node was when it was there.
 */
async function nextScrape(from: Node, at: Node): Promise<number> {
  const next = from.target.requests.length + 1;
  let told = 0;
  await expect
    .poll(async () => {
      told = await toldBy(at, from);
      return told;
    }, soon)
    .toBeGreaterThanOrEqual(next);
  return from.target.requests.length - told;
}

/** What of the attack a node has not counted, by metric and reason. */
async function uncounted({ proxy }: Node): Promise<string[]> {
  const { text } = await proxy.get("/metrics");
  return [
    ...["connections", "handshake", "host_key", "key", "password", "channels", "requests", "limit"].map(
      (reason) => `ssh_refused_total{reason="${reason}"}`,
    ),
    ...["protocol", "limit", "invalid_entry"].map(
      (reason) => `replication_failures_total{reason="${reason}"}`,
    ),
  ].filter((series) => !/ [1-9]/.test(text.split(`app_metrics_proxy_${series}`)[1]?.split("\n")[0] ?? ""));
}

const descriptors = ({ proxy }: Node) => readdirSync(`/proc/${proxy.child.pid}/fd`).length;

beforeAll(requireBuild);

it("a proxy whose SSH port is attacked in all ways at once syncs on time, counts them, and stays small", {
  timeout: 120_000,
}, async () => {
  const [a, b, c] = await freePorts(3);
  const bad = await Promise.all([0, 1, 4, 7, 8].map(startBadPeer));
  const [victim, ...others] = await Promise.all([
    startNode("victim", a!, [b!, c!, ...bad.map(({ server }) => server.port)]),
    startNode("second", b!, [a!, c!]),
    startNode("third", c!, [a!, b!]),
  ]);
  const [second, third] = others as [Node, Node];
  const pairs: (readonly [Node, Node])[] = [
    [victim, second],
    [victim, third],
    [second, victim],
    [third, victim],
    [second, third],
    [third, second],
  ];
  const cycle = () => Promise.all(pairs.map(([from, at]) => nextScrape(from, at)));
  for (let warm = 0; warm < 2; warm++) await cycle();
  const idle = { memory: victim.proxy.memory(), descriptors: descriptors(victim) };

  expect(heldByAttack).toBeGreaterThan(mayGrowBy);
  const stop = attack(a!);
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, victim.proxy.memory());
  }, 50);
  const late: number[] = [];
  for (let count = 0; count < cycles; count++) late.push(...(await cycle()));
  await expect.poll(() => uncounted(victim), soon).toEqual([]);
  clearInterval(timer);
  await stop();

  // One more has often begun by the time that one is seen, and another on a machine that has much else to do.
  expect(late.filter((scrapes) => scrapes > 2).length).toBeLessThan(late.length / 4);
  expect(peak - idle.memory).toBeLessThan(mayGrowBy);
  expect((await victim.proxy.get("/web/metrics")).status).toBe(404);
  await expect.poll(() => descriptors(victim) - idle.descriptors, soon).toBeLessThan(5);
  await cycle();
  for (const { proxy } of [victim, ...others]) expect(proxy.child.exitCode).toBeNull();
});
