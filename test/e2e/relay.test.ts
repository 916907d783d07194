import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Engine, startEngine } from "../support/docker/engine.js";
import { importNodeExporter, importPrometheus } from "../support/docker/images.js";
import { importProjectImage, projectImage } from "../support/docker/project-image.js";
import { prometheusQuery, prometheusTargets } from "../support/prometheus.js";
import { ProxyClient } from "./proxy-client.js";
import { describeOnEngine } from "./requirements.js";

/** In the examples of the Prometheus relay exporter, this is the address of that exporter. */
const relayAddress = "app_promrelay:2137";

/** Like its static example: the target is a name that only the relay can resolve. */
const staticJob = {
  job_name: "node",
  metrics_path: "/relay",
  static_configs: [{ targets: ["node:9100"] }],
  relabel_configs: [
    { source_labels: ["__address__"], target_label: "instance" },
    { source_labels: ["instance"], target_label: "__param_target", replacement: "http://$1/metrics" },
    { target_label: "__address__", replacement: relayAddress },
  ],
};

const label = (name: string) => `__meta_dockerswarm_service_label_metrics_${name}`;

/** Like its autodiscovery example: Prometheus finds the tasks; labels of their service name the relay. */
const autodiscoveryJob = {
  job_name: "dockerswarm",
  dockerswarm_sd_configs: [
    {
      host: "unix:///var/run/docker.sock",
      role: "tasks",
      refresh_interval: "1s",
      filters: [
        { name: "desired-state", values: ["running"] },
        { name: "label", values: ["metrics.enable=true"] },
      ],
    },
  ],
  relabel_configs: [
    { source_labels: ["__meta_dockerswarm_network_ingress"], regex: "false", action: "keep" },
    {
      source_labels: ["__address__", label("port")],
      regex: "(.+):[0-9]+;(.+)",
      target_label: "__address__",
      replacement: "$1:$2",
    },
    {
      source_labels: [label("relay_host"), label("relay_port")],
      regex: "(.+);(.+)",
      target_label: "__tmp_relay_address",
      replacement: "$1:$2",
    },
    { source_labels: ["__address__"], target_label: "instance" },
    {
      source_labels: ["__scheme__", "__address__", "__metrics_path__"],
      regex: "(.+);(.+);(.+)",
      target_label: "__param_target",
      replacement: "$1://$2$3",
    },
    { source_labels: ["__tmp_relay_address"], target_label: "__address__" },
    { target_label: "__metrics_path__", replacement: "/relay" },
    { source_labels: ["__meta_dockerswarm_task_slot"], target_label: "task_slot" },
  ],
};

const [relayHost, relayPort] = relayAddress.split(":");

const metricsStack = `
version: "3.8"
services:
  prometheus:
    image: prometheus
    ports: [{ target: 9090, published: 9090, mode: host }]
    volumes: ["/var/run/docker.sock:/var/run/docker.sock"]
`;

/** The proxy has the name of the relay exporter. Without IPVS in the kernel, virtual addresses do not work. */
const appStack = `
version: "3.8"
services:
  node:
    image: node-exporter
    deploy:
      replicas: 3
      endpoint_mode: dnsrr
      labels:
        metrics.enable: "true"
        metrics.port: "9100"
        metrics.relay.host: ${relayHost}
        metrics.relay.port: "${relayPort}"
  promrelay:
    image: ${projectImage}
    deploy: { endpoint_mode: dnsrr }
    environment:
      RELAY_ALLOW: targets node:9100
      SSHPASS: a secret for this test
      SCRAPE_INTERVAL: "2"
    ports: [{ target: 2137, published: 2137, mode: host }]
    volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]
    networks: [default, metrics]
networks:
  default: {}
  metrics: { external: true, name: metrics_default }
`;

describeOnEngine("the examples of the Prometheus relay exporter, with the proxy in its place", () => {
  let engine: Engine;
  let folder: string;
  let prometheus: { url: string };
  let relay: ProxyClient;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-relay-"));
    engine = await startEngine({ hostname: "node-1" });
    prometheus = { url: `http://${engine.address}:9090` };
    relay = new ProxyClient(`http://${engine.address}:2137`);
    const config = { global: { scrape_interval: "1s" }, scrape_configs: [staticJob, autodiscoveryJob] };
    await Promise.all([
      importNodeExporter(engine),
      importPrometheus(engine, config),
      importProjectImage(engine),
      engine.docker(["swarm", "init", "--advertise-addr", engine.address]),
    ]);
    await deploy("metrics", metricsStack);
    await deploy("app", appStack);
    await relay.untilHealthy(() => true);
    await relay.untilReady();
  });
  afterAll(async () => {
    await engine?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function deploy(name: string, stack: string): Promise<void> {
    const file = join(folder, `${name}.yml`);
    await writeFile(file, stack);
    await engine.docker(["stack", "deploy", "--resolve-image", "never", "--compose-file", file, name]);
  }

  /** The values of a series by one of its labels. */
  async function valuesBy(name: string, query: string): Promise<Record<string, number>> {
    const series = await prometheusQuery(prometheus, query).catch(() => []);
    return Object.fromEntries(series.map(({ metric, value }) => [metric[name] ?? "", value]));
  }

  it("static: a real Prometheus scrapes a real node exporter that it cannot reach", async () => {
    const up = () => valuesBy("instance", 'up{job="node"}');
    await expect.poll(up, { timeout: 30_000, interval: 500 }).toEqual({ "node:9100": 1 });
    expect(await valuesBy("job", 'count by (job) (node_cpu_seconds_total{job="node"})')).toHaveProperty(
      "node",
    );
    const urls = (await prometheusTargets(prometheus)).map(({ scrapeUrl }) => scrapeUrl);
    expect(urls).toContain(`http://${relayAddress}/relay?target=http%3A%2F%2Fnode%3A9100%2Fmetrics`);
  });

  it("autodiscovery: the same for each task of a service, by its labels", async () => {
    const up = () => valuesBy("task_slot", 'up{job="dockerswarm"}');
    await expect.poll(up, { timeout: 30_000, interval: 500 }).toEqual({ 1: 1, 2: 1, 3: 1 });
    const load = await prometheusQuery(prometheus, 'node_load1{job="dockerswarm"}');
    expect(load.map(({ metric }) => metric["instance"]?.replace(/.*:/, ""))).toEqual([
      "9100",
      "9100",
      "9100",
    ]);
  });

  it("allows what RELAY_ALLOW lists, and nothing else", async () => {
    const relayed = (target: string) => relay.get(`/relay?target=${encodeURIComponent(target)}`);
    expect((await relayed("http://node:9100/metrics")).body).toContain("\nnode_load1 ");
    const refused = [
      "http://prometheus:9090/metrics",
      "http://node:22/",
      "http://127.0.0.1:2137/metrics",
      "http://[::1]:2137/metrics",
      "http://2130706433:2137/metrics",
      "http://169.254.169.254/latest/meta-data/",
      `http://${engine.address}:2137/metrics`,
      `http://${engine.address}:2377/`,
    ];
    for (const target of refused)
      expect({ target, status: (await relayed(target)).status }).toEqual({ target, status: 403 });
    expect((await relayed("http://node:9100/")).status).toBe(502);
    expect(await relay.ownMetric("app_metrics_proxy_relay_requests_total", 'code="403"')).toBe(
      refused.length,
    );
  });
});
