import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../support/openssh.js";
import { promtoolFault } from "../support/promtool.js";
import { type ProxyProcess, startProxy } from "./proxy.js";

const kills = Number(process.env["TEST_KILLS"] ?? 20);
const names = Array.from({ length: 40 }, (_, index) => `target-${index}`);
const series = 1000;

/**
 * Many targets in one server. All samples of an exposition have the same value, a new one for each response: an
 * exposition with different values is a mixture of two scrapes.
 */
class Targets {
  requests = 0;
  #hanging = false;
  readonly #waiting: ServerResponse[] = [];
  readonly #server = createServer((request, response) => {
    this.requests++;
    if (this.#hanging) {
      this.#waiting.push(response);
      return;
    }
    const generation = this.requests;
    const lines = Array.from({ length: series }, (_, line) => `whole{line="${line}"} ${generation}\n`);
    response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4" });
    response.end(`# HELP whole From ${request.url}.\n# TYPE whole gauge\n${lines.join("")}`);
  });

  /** From now on, requests get no response. */
  hang(): void {
    this.#hanging = true;
  }

  /** From now on, requests get responses. The connections of waiting requests are closed. */
  respond(): void {
    this.#hanging = false;
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

/** Why an exposition is incomplete or mixed; empty if it is neither. */
function faultOf(exposition: string): string {
  const samples = exposition.split("\n").filter((line) => line.startsWith("whole{"));
  const generations = new Set(samples.map((line) => line.slice(line.indexOf(" ") + 1)));
  if (samples.length !== series || generations.size !== 1) {
    return `${samples.length} samples of ${generations.size} scrapes`;
  }
  return "";
}

/** Why tar cannot list one of the segments in a cache folder; empty if it lists all of them. */
async function tarFault(folder: string): Promise<string> {
  const segments = (await readdir(folder)).filter((name) => name.endsWith(".tar"));
  if (segments.length === 0) return "no segments";
  for (const name of segments) {
    const { code, err } = await run("tar", ["-tvf", join(folder, name)]);
    if (code !== 0 || err !== "") return `${name}: exit code ${code}: ${err}`;
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
      // On a busy machine, all rounds together take minutes, and a round may scrape only some of the targets.
      STALE_AFTER: "600",
      SCRAPE_CONCURRENCY: "8",
    };
  });
  afterAll(async () => {
    await proxy?.kill();
    await targets.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Checks each exposition that is served. Returns the names that are not served, with the response. */
  async function findMissing({ client }: ProxyProcess): Promise<string[]> {
    const missing: string[] = [];
    for (const name of names) {
      const { status, body } = await client.get(`/${name}/metrics`);
      expect([200, 503, 404]).toContain(status);
      if (status === 200) expect(faultOf(body), name).toBe("");
      else missing.push(`${name}: ${status} ${body}`);
    }
    return missing;
  }

  it("serves only whole expositions after each start, those on disk before the first scan ends", async () => {
    proxy = await startProxy(settings);
    await expect.poll(() => findMissing(proxy), { timeout: 10_000 }).toEqual([]);
    for (let round = 1; round <= kills; round++) {
      targets.respond();
      // The kill interrupts any part of a scan and of its writes.
      const until = targets.requests + 1 + Math.floor(Math.random() * names.length);
      while (targets.requests < until) await sleep(1);
      await sleep(Math.random() * 20);
      await proxy.kill();

      // No target responds now: what is served comes from the disk.
      targets.hang();
      proxy = await startProxy(settings);
      expect(await findMissing(proxy), `not served after kill ${round}`).toEqual([]);
      expect(await promtoolFault(await proxy.client.metrics(names[0]!))).toBeUndefined();
      // tar may read the last segment while the proxy appends to it.
      await expect.poll(() => tarFault(settings["CACHE_DIR"]!), { timeout: 5000 }).toBe("");
    }
  }, 600_000);
});
