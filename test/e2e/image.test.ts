import { afterAll, beforeAll, expect, it } from "vitest";
import { addressOf, runContainer } from "../support/docker/containers.js";
import { type Engine, startEngine } from "../support/docker/engine.js";
import { importSampleApp, importSampleExporter, sampleExposition } from "../support/docker/images.js";
import { importProjectImage, projectImage } from "../support/docker/project-image.js";
import { ProxyClient } from "./proxy-client.js";
import { describeOnEngine } from "./requirements.js";

describeOnEngine("the image, with two exporters on the same network", () => {
  let engine: Engine;
  let client: ProxyClient;

  beforeAll(async () => {
    engine = await startEngine();
    await Promise.all([importSampleExporter(engine), importSampleApp(engine), importProjectImage(engine)]);
    await Promise.all(["shared", "elsewhere"].map((name) => engine.docker(["network", "create", name])));
    await Promise.all([
      runContainer(engine, "sample-exporter", { name: "sample", network: "shared" }),
      runContainer(engine, "sample-app", { name: "app", network: "shared", command: ["exporter"] }),
      runContainer(engine, "sample-app", { name: "apart", network: "elsewhere", command: ["exporter"] }),
      runContainer(engine, "sample-app", { name: "host", network: "host", command: ["exporter", "9100"] }),
    ]);
    await engine.docker([
      ...["run", "--detach", "--name", "proxy", "--network", "shared", "--env", "SCRAPE_INTERVAL=2"],
      ...["--env", "PORTS=2137"],
      ...["--volume", `${engine.socketOnNode}:/var/run/docker.sock:ro`, projectImage],
    ]);
    client = new ProxyClient(`http://${await addressOf(engine, "proxy", "shared")}:2137`);
    await client.untilHealthy(() => true);
    await client.untilReady();
  });
  afterAll(() => engine?.stop());

  it("serves both exporters", async () => {
    expect(await client.metrics("sample")).toBe(sampleExposition);
    expect(await client.metrics("app")).toContain("app_requests_total");
  });

  it("serves a container in the host's network at the default gateway", async () => {
    expect(await client.metrics("host")).toContain("app_requests_total");
  });

  it("names the networks of a container with which it shares none, and does not wait for it", async () => {
    const target = await client.target("apart");
    expect(target).toMatchObject({ state: "unreachable" });
    expect(target?.reason).toMatch(/no shared network.*elsewhere/);
    expect((await client.get("/apart/metrics")).status).toBe(503);
  });

  it("serves that container as soon as it joins a shared network", async () => {
    await engine.docker(["network", "connect", "shared", "apart"]);
    await expect.poll(() => client.metrics("apart"), { timeout: 5000 }).toContain("app_requests_total");
  });

  it("does not scrape itself", async () => {
    const { targets } = await client.targets();
    expect(targets.filter(({ title, state }) => title === "proxy" && state !== "disabled")).toEqual([]);
    const requests = () =>
      client.ownMetric("app_metrics_proxy_http_request_duration_seconds_count", 'route="/metrics"');
    expect(await requests()).toBe(0);
    // Only the previous request of this test.
    expect(await requests()).toBe(1);
  });

  it("is healthy", async () => {
    const health = () => engine.docker(["inspect", "--format", "{{.State.Health.Status}}", "proxy"]);
    await expect.poll(health, { timeout: 30_000, interval: 500 }).toBe("healthy");
  });

  it("keeps its cache in a volume, as tar files", async () => {
    const listing = await engine.docker(["exec", "proxy", "ls", "-R", "/var/lib/app-metrics-proxy"]);
    expect(listing).toMatch(/^segment-\d+\.tar$/m);
  });

  it("shuts down in time and with exit code 0 when it is stopped", async () => {
    const begin = Date.now();
    await engine.docker(["stop", "--time", "10", "proxy"]);
    expect(Date.now() - begin).toBeLessThan(5000);
    expect(await engine.docker(["inspect", "--format", "{{.State.ExitCode}}", "proxy"])).toBe("0");
  });
});
