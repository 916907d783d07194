import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { type BuiltProxy, requireBuild, startBuiltProxy } from "../support/built-proxy.js";
import { startTarget, type TargetServer, textType } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";
import { attack, heldByAttack, startBadPeer } from "./attackers.js";
import { freePorts } from "./daemons.js";
import { testSecret } from "./proxies.js";

const mebibyte = 1024 * 1024;
const cycles = 6;
/**
 * Bytes by which the process may grow. In measurements it grew by 145 to 240 MiB, the same after a minute as after ten
 * seconds: up to 68 MiB of incoming data of all peers (SCRAPE_MAX_BYTES is 1 MiB here); the rest is memory of hundreds
 * of connections, and garbage. Without the limit it immediately grew by 540 MiB: all of `heldByAttack`.
 */
const mayGrowBy = 400 * mebibyte;
/** Long enough for a busy machine. */
const soon = { timeout: 60_000, interval: 50 };

/** A proxy in its own process, with one target that exposes the number of its scrapes as the metric `scrapes`. */
interface Node {
  readonly name: string;
  readonly proxy: BuiltProxy;
  readonly target: TargetServer;
}

async function startNode(name: string, sshPort: number, peers: readonly number[]): Promise<Node> {
  const target: TargetServer = await startTarget((_request, response) => {
    response.setHeader("content-type", textType);
    response.end(`scrapes ${target.requests.length}\n`);
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
      MEMORY_MAX_BYTES: String(128 * mebibyte),
      SSHPASS: testSecret,
      SSH_LISTEN_ADDRESS: `127.0.0.1:${sshPort}`,
      PEERS: peers.map((port) => `127.0.0.1:${port}`).join(","),
    },
    "/-/healthy",
  );
  return { name, proxy, target };
}

/** The number of scrapes of a node's target, as served by another node. */
async function scrapesServedBy({ proxy }: Node, { name }: Node): Promise<number> {
  const { text } = await proxy.get(`/${name}/metrics`);
  return Number(/^scrapes (\d+)$/m.exec(text)?.[1] ?? 0);
}

/**
 * Waits until the next scrape of a node has been replicated to another one.
 *
 * @returns the number of scrapes since then.
 */
async function nextScrape(from: Node, at: Node): Promise<number> {
  const next = from.target.requests.length + 1;
  let served = 0;
  await expect
    .poll(async () => {
      served = await scrapesServedBy(at, from);
      return served;
    }, soon)
    .toBeGreaterThanOrEqual(next);
  return from.target.requests.length - served;
}

/** The parts of the attack that a node has not counted, by metric and reason. */
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

it("a proxy under all attacks on its SSH port replicates on time, counts the attacks, and limits its memory", {
  timeout: 240_000,
}, async () => {
  const [a, b, c] = await freePorts(3);
  const bad = await Promise.all([0, 1, 2, 3, 5].map(startBadPeer));
  const [victim, ...others] = await Promise.all([
    startNode("victim", a!, [b!, c!, ...bad.map(({ port }) => port)]),
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
  onTestFinished(() => clearInterval(timer));
  const late: number[] = [];
  for (let count = 0; count < cycles; count++) late.push(...(await cycle()));
  await expect.poll(() => uncounted(victim), soon).toEqual([]);
  clearInterval(timer);
  await stop();

  // Another scrape has often started by then, and a further one on a busy machine.
  expect(late.filter((scrapes) => scrapes > 2).length).toBeLessThan(late.length / 4);
  expect(peak - idle.memory).toBeLessThan(mayGrowBy);
  // A peer that has the secret can publish targets, but nothing that is invalid is served.
  expect((await victim.proxy.get("/web/metrics")).status).toBe(503);
  await expect.poll(() => descriptors(victim) - idle.descriptors, soon).toBeLessThan(5);
  await cycle();
  for (const { proxy } of [victim, ...others]) expect(proxy.child.exitCode).toBeNull();
});
