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

// In milliseconds; longer than STALE_AFTER below: what is served at its end was scraped without the engine.
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

  /** What a container of the kind `locked` says about who asked. */
  const askedOf = (name: string) => engine.docker(["logs", name]);

  const start = (settings: Record<string, string>) =>
    startProxy({ DOCKER_HOST: engine.host, HOST_ADDRESS: engine.address, ...settings });

  describe("that scans every second", () => {
    let proxy: ProxyProcess;

    beforeAll(async () => {
      const credentials = join(folder, "auth.yml");
      await writeFile(join(folder, "password"), `${password}\n`);
      await writeFile(credentials, "db: { basic_auth: { username: prometheus, password_file: password } }\n");
      proxy = await start({ SCRAPE_INTERVAL: "1", STALE_AFTER: "5", SCRAPE_AUTH_FILE: credentials });
      await proxy.client.untilReady();
    });
    afterAll(() => proxy?.stop());

    it("serves what busybox serves, byte for byte", async () => {
      // On a busy machine its first scrape may take longer than it has.
      const served = () => proxy.client.metrics("sample").catch(String);
      await expect.poll(served, { timeout: 10_000 }).toBe(sampleExposition);
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
      const exposition = await proxy.client.metrics(name);
      expect(exposition).toContain(`\n${family}`);
      expect(await promtoolFault(exposition)).toBeUndefined();
    });

    it("serves figures that move", async () => {
      const before = await proxy.client.metrics("no-head");
      await expect.poll(() => proxy.client.metrics("no-head"), { timeout: 5000 }).not.toBe(before);
    });

    it.each([
      ["index-page", "no metrics", /html|content type|line 1/i],
      ["no-port", "no metrics", /refused/i],
      ["silent", "no metrics", /time|within|answer/i],
      ["switched-off", "disabled", /metrics\.enable/],
    ])("says why %s has nothing: %s", async (name, state, reason) => {
      await expect.poll(async () => (await proxy.client.target(name))?.state, { timeout: 5000 }).toBe(state);
      expect((await proxy.client.target(name))?.reason).toMatch(reason);
      const { status, body } = await proxy.client.get(`/${name}/metrics`);
      expect(status).toBe(503);
      expect(body.trim()).toMatch(/^[^\n]+$/);
    });

    it("tells a label that cannot be used, once in the log and on the status page", async () => {
      expect((await proxy.client.target("bad-label"))?.problems?.join()).toMatch(/metrics\.port.*abc/);
      expect(proxy.log.filter((line) => JSON.stringify(line).includes("metrics.port"))).toHaveLength(1);
    });

    it("asks a container with the credentials that its label metrics.auth names, and never without", async () => {
      expect(await proxy.client.metrics("locked-db")).toContain("\napp_requests_total");
      expect(new Set((await askedOf("locked-db")).split("\n"))).toEqual(
        new Set(["asked with the right credentials"]),
      );
    });

    it("does not ask a container whose label metrics.auth names no entry, and says so", async () => {
      expect(await proxy.client.target("locked-nobody")).toMatchObject({
        state: "down",
        reason: expect.stringMatching(/not scraped: .* no entry "nobody"/),
      });
      expect((await proxy.client.get("/locked-nobody/metrics")).status).toBe(503);
      expect(await askedOf("locked-nobody")).toBe("");
    });

    it("shows credentials to no container that names none", async () => {
      expect((await proxy.client.target("locked-unnamed"))?.reason).toMatch(/401/);
      expect(new Set((await askedOf("locked-unnamed")).split("\n"))).toEqual(
        new Set(["asked with no credentials"]),
      );
    });

    it("shows no password, neither in its log nor on /targets", async () => {
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

    it("answers 404 to a name that nobody has, with the names close to it", async () => {
      const { status, body } = await proxy.client.get("/sampel/metrics");
      expect(status).toBe(404);
      expect(body).toContain("sample");
    });

    it("has metrics of its own that promtool has nothing to say to", async () => {
      const { body } = await proxy.client.get("/metrics");
      expect(await promtoolFault(body)).toBeUndefined();
      expect(await proxy.client.ownMetric("app_metrics_proxy_target_up", 'name="sample"')).toBe(1);
    });

    it("serves whole expositions or none while a container is restarted, and the new ones at once", async () => {
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

    it("goes on serving while the engine is stopped, says so once, and recovers by itself", async () => {
      const names = ["sample", "node", "no-head", "web", "on-the-host"];
      const begin = proxy.log.length;
      const complaints = () =>
        proxy.log.slice(begin).filter(({ level }) => level === "error" || level === "warn");
      const failing = async () => (await proxy.client.targets()).providers.some(({ ok }) => !ok);

      await engine.stopDaemon();
      await expect.poll(failing, { timeout: 5000 }).toBe(true);
      const counted = await proxy.client.metrics("no-head");
      for (const end = Date.now() + enginePause; Date.now() < end; await sleep(250)) {
        for (const name of names) await proxy.client.metrics(name);
      }
      expect(await proxy.client.metrics("no-head")).not.toBe(counted);
      expect(complaints().map(({ message }) => message)).toHaveLength(1);

      await engine.startDaemon();
      await expect.poll(failing, { timeout: 10_000 }).toBe(false);
      await runContainer(engine, "sample-exporter", { name: "afterwards" });
      await expect.poll(() => proxy.client.metrics("afterwards"), { timeout: 5000 }).toBe(sampleExposition);
      for (const name of names) await proxy.client.metrics(name);
      expect(complaints()).toHaveLength(1);
      await removeContainers(engine, "afterwards");
    });

    it("logs nothing but JSON", () => {
      expect(proxy.log.filter(({ level }) => level === "not JSON")).toEqual([]);
    });
  });

  describe("that scans every minute", () => {
    let proxy: ProxyProcess;

    beforeAll(async () => {
      proxy = await start({ SCRAPE_INTERVAL: "60" });
      await proxy.client.untilReady();
    });
    afterAll(() => proxy?.stop());

    it("serves a container within 2 s of its start and forgets it as soon as it stops", async () => {
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

    it("serves a container that needs a while until it listens", async () => {
      await runContainer(engine, "sample-app", { name: "late", command: ["late"] });
      await expect
        .poll(() => proxy.client.metrics("late"), { timeout: 10_000, interval: 100 })
        .toContain("app_requests_total");
      await removeContainers(engine, "late");
    });

    it("ends within a second when it is told to", async () => {
      const other = await start({ SCRAPE_INTERVAL: "60" });
      const begin = Date.now();
      expect(await other.stop()).toBe(0);
      expect(Date.now() - begin).toBeLessThan(1000);
    });
  });
});
