import { afterAll, beforeAll, expect, it } from "vitest";
import { type Engine, startEngine } from "../support/docker/engine.js";
import { importSampleExporter, sampleExposition } from "../support/docker/images.js";
import { importProjectImage } from "../support/docker/project-image.js";
import { deployStack, joining, nameShippedImage, shippedStack } from "../support/docker/stack.js";
import { ProxyClient } from "./proxy-client.js";
import { describeOnEngine } from "./requirements.js";

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

describeOnEngine("stack.yml, deployed as it stands to a swarm of one node", () => {
  let engine: Engine;
  let client: ProxyClient;

  beforeAll(async () => {
    engine = await startEngine({ hostname: "node-1" });
    await Promise.all([importSampleExporter(engine), importProjectImage(engine)]);
    await nameShippedImage(engine);
    await engine.docker(["swarm", "init", "--advertise-addr", engine.address]);
    client = new ProxyClient(`http://${engine.address}:2137`);
    await deployStack(engine, "shop", [shop]);
  });
  afterAll(() => engine?.stop());

  it("is not deployed without the secret, and says so", async () => {
    await expect(deployStack(engine, "monitoring", [shippedStack])).rejects.toThrow(
      /SSHPASS.*set it to a secret/,
    );
  });

  it("answers at the node's port 2137", async () => {
    const secret = { SSHPASS: "a secret for this test" };
    await deployStack(engine, "monitoring", [shippedStack, joining("shop_default")], secret);
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
