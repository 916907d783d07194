import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Engine, startEngine } from "../support/docker/engine.js";
import { importSampleExporter, sampleExposition } from "../support/docker/images.js";
import { importProjectImage, projectImage } from "../support/docker/project-image.js";
import { ProxyClient } from "./proxy-client.js";
import { describeOnEngine } from "./requirements.js";

const stackFile = fileURLToPath(new URL("../../stack.yml", import.meta.url));

/** Another stack, with a network of its own. */
const shop = `
version: "3.8"
services:
  web:
    image: sample-exporter
    deploy: { replicas: 1, endpoint_mode: dnsrr }
  agent:
    image: sample-exporter
    deploy: { mode: global, endpoint_mode: dnsrr }
`;

/** What an operator adds to stack.yml for it. */
const joined = `
version: "3.8"
services:
  proxy:
    networks: [peers, shop_default]
networks:
  shop_default: { external: true }
`;

describeOnEngine("stack.yml, deployed as it stands to a swarm of one node", () => {
  let engine: Engine;
  let folder: string;
  let client: ProxyClient;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-stack-"));
    engine = await startEngine({ hostname: "node-1" });
    await Promise.all([importSampleExporter(engine), importProjectImage(engine)]);
    await engine.docker(["tag", projectImage, "app-metrics-proxy:latest"]);
    await engine.docker(["swarm", "init", "--advertise-addr", engine.address]);
    client = new ProxyClient(`http://${engine.address}:2137`);
    await deploy("shop", {}, ["shop.yml", shop]);
  });
  afterAll(async () => {
    await engine?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function deploy(name: string, environment: Record<string, string>, ...files: [string, string?][]) {
    const flags = [];
    for (const [file, content] of files) {
      if (content !== undefined) await writeFile(join(folder, file), content);
      flags.push("--compose-file", content === undefined ? file : join(folder, file));
    }
    return engine.docker(["stack", "deploy", "--resolve-image", "never", ...flags, name], { environment });
  }

  it("is not deployed without the secret, and says so", async () => {
    await expect(deploy("monitoring", {}, [stackFile])).rejects.toThrow(/SSHPASS.*set it to a secret/);
  });

  it("answers at the node's port 2137", async () => {
    await deploy("monitoring", { SSHPASS: "a secret for this test" }, [stackFile], ["joined.yml", joined]);
    await client.untilHealthy(() => true);
    await client.untilReady();
    expect((await client.targets()).node).toBe("node-1");
  });

  it("serves the services of the stack whose network it joined, by short and by full name", async () => {
    for (const name of ["web", "shop_web", "web/1", "shop_agent", "agent/node-1"]) {
      await expect.poll(() => client.metrics(name), { timeout: 10_000 }).toBe(sampleExposition);
    }
  });

  it("is healthy in the eyes of the swarm", async () => {
    const replicas = () =>
      engine.docker(["service", "ls", "--filter", "name=monitoring_proxy", "--format", "{{.Replicas}}"]);
    await expect.poll(replicas, { timeout: 40_000, interval: 500 }).toBe("1/1");
    const task = await engine.docker(["ps", "--filter", "name=monitoring_proxy", "--format", "{{.Status}}"]);
    expect(task).toContain("(healthy)");
  });
});
