import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { removeContainers, runContainer } from "../support/docker/containers.js";
import { type Engine, startEngine } from "../support/docker/engine.js";
import {
  importNodeExporter,
  importSampleApp,
  importSampleExporter,
  sampleExposition,
} from "../support/docker/images.js";
import { promtoolFault } from "../support/promtool.js";
import { type ProxyProcess, startProxy } from "./proxy.js";
import { describeOnEngine } from "./requirements.js";

const composeLabels = {
  "com.docker.compose.project": "shop",
  "com.docker.compose.service": "web",
  "com.docker.compose.container-number": "1",
};

const password = "a password of one container";

// In milliseconds. Longer than STALE_AFTER below, so that what is served at the end was scraped without the engine.
const enginePause = Number(process.env["TEST_ENGINE_PAUSE_SECONDS"] ?? 7) * 1000;

describeOnEngine("the proxy on a node with a real Docker engine", () => {
  let engine: Engine;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-single-node-"));
    engine = await startEngine({ hostname: "node-1", liveRestore: true });
    await Promise.all([importSampleExporter(engine), importNodeExporter(engine), importSampleApp(engine)]);
    await engine.docker(["network", "create", "backend"]);
    const app = (name: string, kind: string[], more = {}) =>
      runContainer(engine, "sample-app", { name, command: kind, ...more });
    await Promise.all([
      runContainer(engine, "sample-exporter", { name: "sample" }),
      runContainer(engine, "node-exporter", { name: "node", network: "backend" }),
      app("no-head", ["no-head"]),
      app("index-page", ["index-page", "80"]),
      app("no-port", ["idle"]),
      app("silent", ["silent"]),
      app("shop-web-1", ["exporter"], { labels: composeLabels }),
      app("on-the-host", ["exporter", "9100"], { network: "host" }),
      app("labelled", ["exporter", "7000"], {
        labels: { "metrics.port": "7000", "metrics.name": "by-label" },
      }),
      app("labelled-alike", ["exporter", "7000"], {
        labels: { "metrics.port": "7000", "metrics.name": "by-label" },
      }),
      app("bad-label", ["exporter"], { labels: { "metrics.port": "abc" } }),
      app("switched-off", ["exporter"], { labels: { "metrics.enable": "false" } }),
      app("restarted", ["exporter"]),
      ...["db", "nobody", undefined].map((entry) =>
        app(`locked-${entry ?? "unnamed"}`, ["locked"], {
          environment: { CREDENTIALS: `prometheus:${password}` },
          ...(entry && { labels: { "metrics.auth": entry } }),
        }),
      ),
    ]);
  });
  afterAll(async () => {
    await engine?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** The requests that a container of the kind `locked` logged. */
  const requestsTo = (name: string) => engine.docker(["logs", name]);

  const start = (settings: Record<string, string>) =>
    startProxy({ DOCKER_HOST: engine.host, HOST_ADDRESS: engine.address, ...settings });

  describe("with SCRAPE_INTERVAL 1", () => {
    let proxy: ProxyProcess;

    beforeAll(async () => {
      const credentials = join(folder, "auth.yml");
      await writeFile(join(folder, "password"), `${password}\n`);
      await writeFile(credentials, "db: { basic_auth: { username: prometheus, password_file: password } }\n");
      proxy = await start({ SCRAPE_INTERVAL: "1", STALE_AFTER: "5", SCRAPE_AUTH_FILE: credentials });
      await proxy.client.untilReady();
    });
    afterAll(() => proxy?.stop());

    /** On a busy machine, the first scrape may exceed its timeout: then a later one counts. */
    const served = (name: string) => () => proxy.client.metrics(name).catch(String);

    it("serves what busybox serves, byte for byte", async () => {
      await expect.poll(served("sample"), { timeout: 10_000 }).toBe(sampleExposition);
    });

    it.each([
      ["node", "node_load1"],
      ["no-head", "app_requests_total"],
      ["on-the-host", "app_requests_total"],
      ["by-label", "app_requests_total"],
      ["bad-label", "app_requests_total"],
      ["web", "app_requests_total"],
      ["shop_web", "app_requests_total"],
      ["web/node-1.1", "app_requests_total"],
      ["sample/node-1", "sample_temperature_celsius"],
    ])("serves /%s/metrics, and promtool reads it", async (name, family) => {
      await expect.poll(served(name), { timeout: 10_000 }).toContain(`\n${family}`);
      const exposition = await proxy.client.metrics(name);
      expect(await promtoolFault(exposition)).toBeUndefined();
    });

    it("serves both of two containers with one metrics.name", async () => {
      for (const container of ["labelled", "labelled-alike"]) {
        await expect
          .poll(served(`by-label/node-1.${container}`), { timeout: 10_000 })
          .toContain("\napp_requests_total");
        const instance = `instance="by-label.node-1.${container}"`;
        await expect.poll(served("by-label"), { timeout: 10_000 }).toContain(instance);
      }
    });

    it("serves current values", async () => {
      const before = await proxy.client.metrics("no-head");
      await expect.poll(() => proxy.client.metrics("no-head"), { timeout: 5000 }).not.toBe(before);
    });

    it.each([
      ["index-page", "no metrics", /html|content type|line 1/i],
      ["no-port", "no metrics", /refused/i],
      ["silent", "no metrics", /time|within/i],
      ["switched-off", "disabled", /metrics\.enable/],
    ])("explains why %s has no metrics: %s", async (name, state, reason) => {
      await expect.poll(async () => (await proxy.client.target(name))?.state, { timeout: 5000 }).toBe(state);
      expect((await proxy.client.target(name))?.reason).toMatch(reason);
      const { status, body } = await proxy.client.get(`/${name}/metrics`);
      expect(status).toBe(503);
      expect(body.trim()).toMatch(/^[^\n]+$/);
    });

    it("reports an invalid label once in the log, and on /targets", async () => {
      expect((await proxy.client.target("bad-label"))?.problems?.join()).toMatch(/metrics\.port.*abc/);
      expect(proxy.log.filter((line) => JSON.stringify(line).includes("metrics.port"))).toHaveLength(1);
    });

    it("scrapes a container with the credentials that its label metrics.auth names, and never without", async () => {
      expect(await proxy.client.metrics("locked-db")).toContain("\napp_requests_total");
      expect(new Set((await requestsTo("locked-db")).split("\n"))).toEqual(
        new Set(["request with the right credentials"]),
      );
    });

    it("does not scrape a container whose label metrics.auth names no entry, and reports it", async () => {
      expect(await proxy.client.target("locked-nobody")).toMatchObject({
        state: "down",
        reason: expect.stringMatching(/not scraped: .* no entry "nobody"/),
      });
      expect((await proxy.client.get("/locked-nobody/metrics")).status).toBe(503);
      expect(await requestsTo("locked-nobody")).toBe("");
    });

    it("sends no credentials to a container that names none", async () => {
      expect((await proxy.client.target("locked-unnamed"))?.reason).toMatch(/401/);
      expect(new Set((await requestsTo("locked-unnamed")).split("\n"))).toEqual(
        new Set(["request with no credentials"]),
      );
    });

    it("shows no password, in its log or on /targets", async () => {
      const shown = JSON.stringify(proxy.log) + (await proxy.client.get("/targets")).body;
      expect(shown).not.toContain(password);
    });

    it("identifies a Compose service by project, service and number", async () => {
      expect(await proxy.client.target("shop-web-1")).toMatchObject({
        names: ["web", "shop_web"],
        job: "shop_web",
        replica: "node-1.1",
        instance: "shop_web.node-1.1",
        state: "up",
      });
    });

    it("takes the node's name from the engine", async () => {
      expect((await proxy.client.targets()).node).toBe("node-1");
    });

    it("responds with 404 to an unknown name, and lists similar names", async () => {
      const { status, body } = await proxy.client.get("/sampel/metrics");
      expect(status).toBe(404);
      expect(body).toContain("sample");
    });

    it("has own metrics that promtool accepts", async () => {
      const { body } = await proxy.client.get("/metrics");
      expect(await promtoolFault(body)).toBeUndefined();
      expect(await proxy.client.ownMetric("app_metrics_proxy_target_up", 'name="sample"')).toBe(1);
    });

    it("serves whole expositions or none while a container is restarted, and new metrics right afterwards", async () => {
      const startTime = async () => {
        const { status, body } = await proxy.client.get("/restarted/metrics");
        if (status !== 200) return undefined;
        expect(await promtoolFault(body)).toBeUndefined();
        return Number(/^app_start_time_seconds (.*)$/m.exec(body)?.[1]);
      };
      for (let round = 0; round < 5; round++) {
        const restart = engine.docker(["restart", "restarted"]).then(() => "done");
        while ((await Promise.race([restart, sleep(50)])) !== "done") await startTime();
        const restarted = Date.now() / 1000;
        await expect
          .poll(startTime, { timeout: 2000, interval: 50 })
          .toSatisfy((started) => restarted - Number(started) < 3);
      }
    });

    it("continues to serve while the engine is stopped, reports it once, and recovers", async () => {
      const names = ["sample", "node", "no-head", "web", "on-the-host"];
      const begin = proxy.log.length;
      const reports = () =>
        proxy.log.slice(begin).filter(({ level }) => level === "error" || level === "warn");
      const failing = async () => (await proxy.client.targets()).providers.some(({ ok }) => !ok);

      await engine.stopDaemon();
      await expect.poll(failing, { timeout: 5000 }).toBe(true);
      const counted = await proxy.client.metrics("no-head");
      for (const end = Date.now() + enginePause; Date.now() < end; await sleep(250)) {
        for (const name of names) await proxy.client.metrics(name);
      }
      expect(await proxy.client.metrics("no-head")).not.toBe(counted);
      const expected = [expect.objectContaining({ message: "targets not listed: scraping the known ones" })];
      expect(reports()).toEqual(expected);

      await engine.startDaemon();
      await expect.poll(failing, { timeout: 10_000 }).toBe(false);
      await runContainer(engine, "sample-exporter", { name: "afterwards" });
      await expect.poll(() => proxy.client.metrics("afterwards"), { timeout: 5000 }).toBe(sampleExposition);
      for (const name of names) await proxy.client.metrics(name);
      expect(reports()).toEqual(expected);
      await removeContainers(engine, "afterwards");
    });

    it("logs nothing but JSON", () => {
      expect(proxy.log.filter(({ level }) => level === "not JSON")).toEqual([]);
    });
  });

  describe("with SCRAPE_INTERVAL 60", () => {
    let proxy: ProxyProcess;

    beforeAll(async () => {
      proxy = await start({ SCRAPE_INTERVAL: "60" });
      await proxy.client.untilReady();
    });
    afterAll(() => proxy?.stop());

    it("serves a container within 2 s of its start, until it stops", async () => {
      for (const name of ["first", "second", "third", "fourth", "fifth", "sixth"]) {
        await runContainer(engine, "sample-app", { name, command: ["exporter"] });
        await expect
          .poll(() => proxy.client.metrics(name), { timeout: 2000, interval: 50 })
          .toContain("app_requests_total");
        await removeContainers(engine, name);
        await expect
          .poll(async () => (await proxy.client.get(`/${name}/metrics`)).status, {
            timeout: 500,
            interval: 20,
          })
          .toBe(404);
      }
    });

    it("serves a container that starts to listen late", async () => {
      await runContainer(engine, "sample-app", { name: "late", command: ["late"] });
      await expect
        .poll(() => proxy.client.metrics("late"), { timeout: 10_000, interval: 100 })
        .toContain("app_requests_total");
      await removeContainers(engine, "late");
    });

    it("stops within a second", async () => {
      const other = await start({ SCRAPE_INTERVAL: "60" });
      const begin = Date.now();
      expect(await other.stop()).toBe(0);
      expect(Date.now() - begin).toBeLessThan(1000);
    });
  });
});
