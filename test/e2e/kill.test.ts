import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { promtoolFault } from "../support/promtool.js";
import { type ProxyProcess, startProxy } from "./proxy.js";

const kills = Number(process.env["TEST_KILLS"] ?? 20);
const names = Array.from({ length: 40 }, (_, index) => `target-${index}`);
const series = 1000;

/**
 * Many targets in one server. Each exposition carries one number in all of its samples, a new one each time: a
 * text that is whole has all of them with the same.
 */
class Targets {
  requests = 0;
  #silent = false;
  readonly #waiting: ServerResponse[] = [];
  readonly #server = createServer((request, response) => {
    this.requests++;
    if (this.#silent) {
      this.#waiting.push(response);
      return;
    }
    const generation = this.requests;
    const lines = Array.from({ length: series }, (_, line) => `whole{line="${line}"} ${generation}\n`);
    response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4" });
    response.end(`# HELP whole From ${request.url}.\n# TYPE whole gauge\n${lines.join("")}`);
  });

  /** From now on requests get no answer. */
  fallSilent(): void {
    this.#silent = true;
  }

  /** From now on requests are answered; those that wait are broken off. */
  speak(): void {
    this.#silent = false;
    for (const response of this.#waiting.splice(0)) response.destroy();
  }

  async start(): Promise<object[]> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const { port } = this.#server.address() as AddressInfo;
    return names.map((job) => ({
      targets: [`127.0.0.1:${port}`],
      labels: { job, instance: job, __metrics_path__: `/${job}` },
    }));
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** What is not whole in an exposition; empty where all is well. */
function faultOf(exposition: string): string {
  const samples = exposition.split("\n").filter((line) => line.startsWith("whole{"));
  const generations = new Set(samples.map((line) => line.slice(line.indexOf(" ") + 1)));
  if (samples.length !== series || generations.size !== 1) {
    return `${samples.length} samples of ${generations.size} scrapes`;
  }
  return "";
}

describe(`the proxy, killed ${kills} times during a scan`, () => {
  const targets = new Targets();
  let folder: string;
  let settings: Record<string, string>;
  let proxy: ProxyProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-kill-"));
    const file = join(folder, "targets.json");
    await writeFile(file, JSON.stringify(await targets.start()));
    settings = {
      TARGETS_FILE: file,
      CACHE_DIR: join(folder, "cache"),
      SCRAPE_INTERVAL: "1",
      STALE_AFTER: "60",
      SCRAPE_CONCURRENCY: "8",
    };
  });
  afterAll(async () => {
    await proxy?.kill();
    await targets.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** What is served right now: how many of the names, each of them checked. */
  async function checkAll({ client }: ProxyProcess): Promise<number> {
    let served = 0;
    for (const name of names) {
      const { status, body } = await client.get(`/${name}/metrics`);
      expect([200, 503, 404]).toContain(status);
      if (status !== 200) continue;
      served++;
      expect(faultOf(body), name).toBe("");
    }
    return served;
  }

  it("serves only whole expositions after each start, those of the disk before the first scan ends", async () => {
    proxy = await startProxy(settings);
    await expect.poll(() => checkAll(proxy), { timeout: 10_000 }).toBe(names.length);
    for (let round = 1; round <= kills; round++) {
      targets.speak();
      // The kill comes after any part of a scan and of its writes.
      const until = targets.requests + 1 + Math.floor(Math.random() * names.length);
      while (targets.requests < until) await sleep(1);
      await sleep(Math.random() * 20);
      await proxy.kill();

      // Nobody answers now: what is served comes from the disk.
      targets.fallSilent();
      proxy = await startProxy(settings);
      expect(await checkAll(proxy), `served after kill ${round}`).toBe(names.length);
      expect(await promtoolFault(await proxy.client.metrics(names[0]!))).toBeUndefined();
    }
  }, 300_000);
});
