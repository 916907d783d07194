import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { FolderLockedError } from "../../src/cache/folder-lock.js";
import { FakeEngine, service } from "../discovery/docker/fake-engine.js";
import { startWholeProxy } from "../support/daemon.js";
import { answerWith, startTarget } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";

/** The path of a targets file with one target. */
function targetsFile(port: number): string {
  const file = join(tempFolder(), "targets.json");
  writeFileSync(file, JSON.stringify([{ targets: [`127.0.0.1:${port}`], labels: { job: "app" } }]));
  return file;
}

describe("CACHE_DIR", () => {
  it("is refused to a second proxy, with what to do; the first one is not affected", async () => {
    const folder = join(tempFolder(), "cache");
    const target = await startTarget(answerWith("up 1\n"));
    const first = await startWholeProxy({ CACHE_DIR: folder, TARGETS_FILE: targetsFile(target.port) });
    await expect.poll(() => first.get("/app/metrics")).toEqual({ status: 200, text: "up 1\n" });
    const second = startWholeProxy({ CACHE_DIR: folder });
    await expect(second).rejects.toThrow(FolderLockedError);
    await expect(second).rejects.toThrow(
      `CACHE_DIR ${folder} is used by another proxy: give each proxy its own folder`,
    );
    expect(await first.get("/app/metrics")).toEqual({ status: 200, text: "up 1\n" });
  });

  it("can be used again after a stop, and then serves the cached scrapes at once", async () => {
    const folder = tempFolder();
    const target = await startTarget(answerWith("up 1\n"));
    const settings = { CACHE_DIR: folder, TARGETS_FILE: targetsFile(target.port) };
    const first = await startWholeProxy(settings);
    await expect.poll(() => first.get("/app/metrics")).toMatchObject({ status: 200 });
    await first.stop();
    await target.close();
    const second = await startWholeProxy({ ...settings, SCRAPE_INTERVAL: "3600" });
    expect(await second.get("/app/metrics")).toEqual({ status: 200, text: "up 1\n" });
  });

  it("loses the files of the previous version, with one log line, and no others", async () => {
    const folder = tempFolder();
    const former = [
      "0f1e2d3c.metrics.gz",
      "4b5a6978.metrics.gz",
      "origin.json",
      "service-labels.json",
      "origin.json.tmp",
    ];
    for (const name of [...former, "notes.txt"]) writeFileSync(join(folder, name), "x");
    const first = await startWholeProxy({ CACHE_DIR: folder });
    expect(readdirSync(folder).filter((name) => former.includes(name))).toEqual([]);
    expect(existsSync(join(folder, "notes.txt"))).toBe(true);
    const about = (lines: typeof first.lines) =>
      lines.filter(({ message }) => message.includes("earlier version"));
    expect(about(first.lines)).toEqual([
      {
        level: "info",
        message: "removing cache files of an earlier version",
        fields: { folder, files: former.length },
      },
    ]);
    await first.stop();
    expect(about((await startWholeProxy({ CACHE_DIR: folder })).lines)).toEqual([]);
  });
});

describe("deploy.labels of a service on a manager without replication", () => {
  /** A proxy whose engine has a manager's view of the service `web`, which has one container. */
  async function setUp(labels: Record<string, string>, { manager = true } = {}) {
    const engine = await FakeEngine.start();
    onTestFinished(() => engine.close());
    const services = (current: Record<string, string>) => [
      service("web", current, { Replicated: { Replicas: 1 } }),
    ];
    if (manager) engine.swarm = { services: services(labels), tasks: [] };
    engine.run("web.1.x", {
      Labels: {
        "com.docker.swarm.service.id": "id-of-web",
        "com.docker.swarm.service.name": "web",
        "com.docker.swarm.task.name": "web.1.x",
      },
    });
    const proxy = await startWholeProxy({ DOCKER_HOST: `unix://${engine.socketPath}` });
    const state = async () => {
      const { targets } = JSON.parse((await proxy.get("/targets")).text);
      return targets.map(({ state, reason }: { state: string; reason?: string }) => [state, reason]);
    };
    return { ...proxy, engine, services, state };
  }
  const disabled = [["disabled", "label metrics.enable=false"]];

  it("apply to its containers from the first scan on", async () => {
    const { get, state } = await setUp({ "metrics.enable": "false" });
    await expect.poll(async () => (await get("/-/ready")).status, { timeout: 5000 }).toBe(200);
    expect(await state()).toEqual(disabled);
    expect(JSON.parse((await get("/targets")).text)).toMatchObject({
      replication: null,
      whyNoReplication: expect.stringMatching(/^off: SSHPASS and PEERS are not set/),
    });
  });

  it("apply as they are now after a change", async () => {
    const { engine, services, state } = await setUp({ "metrics.enable": "false" });
    await expect.poll(state, { timeout: 5000 }).toEqual(disabled);
    engine.swarm = { services: services({}), tasks: [] };
    await expect.poll(state, { timeout: 5000 }).not.toEqual(disabled);
    engine.swarm = { services: services({ "metrics.enable": "false" }), tasks: [] };
    await expect.poll(state, { timeout: 5000 }).toEqual(disabled);
  });

  it("are exported as metrics: desired, running and scraped replicas", async () => {
    const { get, engine } = await setUp({ "metrics.name": "front" });
    const replicas = async () =>
      (await get("/metrics")).text
        .split("\n")
        .filter((line) => line.includes("_replicas_") && line[0] !== "#");
    const prefix = "app_metrics_proxy_service_replicas";
    await expect
      .poll(replicas, { timeout: 5000 })
      .toEqual([
        `${prefix}_desired{name="front"} 1`,
        `${prefix}_running{name="front"} 1`,
        `${prefix}_scraped{name="front"} 0`,
        `${prefix}_stale{name="front"} 1`,
      ]);
    engine.stop("web.1.x");
    await expect.poll(replicas, { timeout: 5000 }).toContain(`${prefix}_running{name="front"} 0`);
    expect(await replicas()).toContain(`${prefix}_desired{name="front"} 1`);
  });

  it("apply after a restart although the engine no longer lists services", async () => {
    const folder = tempFolder();
    const engine = await FakeEngine.start();
    onTestFinished(() => engine.close());
    engine.swarm = { services: [service("web", { "metrics.enable": "false" }, { Global: {} })], tasks: [] };
    engine.run("web.1.x", { Labels: { "com.docker.swarm.service.id": "id-of-web" } });
    const settings = { DOCKER_HOST: `unix://${engine.socketPath}`, CACHE_DIR: folder };
    const first = await startWholeProxy(settings);
    await expect.poll(async () => (await first.get("/-/ready")).status, { timeout: 5000 }).toBe(200);
    await first.stop();
    engine.swarm = undefined;
    const second = await startWholeProxy(settings);
    await expect.poll(async () => (await second.get("/-/ready")).status, { timeout: 5000 }).toBe(200);
    const { targets } = JSON.parse((await second.get("/targets")).text);
    expect(targets).toMatchObject([{ state: "disabled" }]);
  });

  it("are not known on a worker without replication", async () => {
    const { get, state } = await setUp({ "metrics.enable": "false" }, { manager: false });
    await expect.poll(async () => (await get("/-/ready")).status, { timeout: 5000 }).toBe(200);
    expect(await state()).not.toEqual(disabled);
  });
});

describe("the relay", () => {
  const relayed = async (settings: Record<string, string>, target: string) => {
    const { get } = await startWholeProxy(settings);
    return get(`/relay?target=${encodeURIComponent(target)}`);
  };

  it("is enabled by RELAY_ALLOW", async () => {
    const target = await startTarget(answerWith("up 1\n"));
    expect((await relayed({}, target.url)).status).toBe(404);
    expect(await relayed({ RELAY_ALLOW: `127.0.0.1:${target.port}` }, target.url)).toEqual({
      status: 200,
      text: "up 1\n",
    });
  });

  it.each([
    ["tcp://10.0.0.9:1234", "http://10.0.0.9:1234/"],
    ["tcp://[fd00::9]:1234", "http://[fd00:0::9]:1234/"],
    ["http://10.0.0.9:80", "http://10.0.0.9/"],
    ["https://10.0.0.9:443", "https://10.0.0.9/"],
  ])("never requests the engine at DOCKER_HOST=%s", async (host, target) => {
    const settings = { RELAY_ALLOW: "0.0.0.0/0:* [::/0]:*", DOCKER_HOST: host };
    expect(await relayed(settings, target)).toMatchObject({
      status: 403,
      text: expect.stringMatching(/Docker engine: never relayed\n$/),
    });
  });
});

it("exposes the delay of its event loop", async () => {
  const { get } = await startWholeProxy();
  const { text } = await get("/metrics");
  expect(text).toMatch(/^app_metrics_proxy_event_loop_delay_seconds\{quantile="1"\} \d/m);
});
