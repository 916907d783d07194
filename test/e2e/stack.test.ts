import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import bcrypt from "bcrypt";
import { Agent, request } from "undici";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeAuthority } from "../support/certificates.js";
import { type Engine, startEngine } from "../support/docker/engine.js";
import { importSampleExporter, sampleExposition } from "../support/docker/images.js";
import { importProjectImage } from "../support/docker/project-image.js";
import {
  deployStack,
  joining,
  nameShippedImage,
  shippedStack,
  stackWithSecret,
  uncommentedStack,
} from "../support/docker/stack.js";
import { ProxyClient } from "./proxy-client.js";
import { describeOnEngine } from "./requirements.js";

/** Another stack, with its own network. */
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

const secret = { SSHPASS: "a secret for this test" };

describeOnEngine("stack.yml, deployed unchanged to a swarm of one node", () => {
  let engine: Engine;
  let client: ProxyClient;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-stack-test-"));
    engine = await startEngine({ hostname: "node-1" });
    await Promise.all([importSampleExporter(engine), importProjectImage(engine)]);
    await nameShippedImage(engine);
    await engine.docker(["swarm", "init", "--advertise-addr", engine.address]);
    client = new ProxyClient(`http://${engine.address}:2137`);
    await deployStack(engine, "shop", [shop]);
  });
  afterAll(async () => {
    await engine?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("is rejected without the secret, with a message that names it", async () => {
    await expect(deployStack(engine, "monitoring", [shippedStack])).rejects.toThrow(
      /SSHPASS.*set it to a secret/,
    );
  });

  it("serves at port 2137 of the node", async () => {
    await deployStack(engine, "monitoring", [shippedStack, joining("shop_default")], secret);
    await client.untilHealthy(() => true);
    await client.untilReady();
    expect((await client.targets()).node).toBe("node-1");
  });

  it("serves the services of a stack whose network it joined, by short and by full name", async () => {
    for (const name of ["web", "shop_web", "web/1", "shop_agent", "agent/node-1"]) {
      await expect.poll(() => client.metrics(name), { timeout: 10_000 }).toBe(sampleExposition);
    }
  });

  it("is healthy according to the swarm", async () => {
    const replicas = () =>
      engine.docker(["service", "ls", "--filter", "name=monitoring_proxy", "--format", "{{.Replicas}}"]);
    await expect.poll(replicas, { timeout: 40_000, interval: 500 }).toBe("1/1");
    const task = await engine.docker(["ps", "--filter", "name=monitoring_proxy", "--format", "{{.Status}}"]);
    expect(task).toContain("(healthy)");
  });

  it("requires a password, over TLS, after its lines for that are uncommented", async () => {
    const ca = makeAuthority(folder);
    const server = ca.issue("server", `IP:${engine.address}`);
    const password = "a password for this test";
    const webConfig = {
      tls_server_config: { cert_file: "server.pem", key_file: "server.key" },
      basic_auth_users: { prometheus: bcrypt.hashSync(password, 4) },
    };
    await writeFile(join(folder, "web.yml"), JSON.stringify(webConfig));
    for (const [name, file] of [
      ["web_1", join(folder, "web.yml")],
      ["certificate_1", server.certFile],
      ["key_1", server.keyFile],
    ] as const)
      await engine.docker(["secret", "create", name, file]);
    await deployStack(engine, "monitoring", [await uncommentedStack("web"), joining("shop_default")], secret);

    const dispatcher = new Agent({ connect: { ca: ca.cert } });
    const get = async (headers = {}) => {
      const { statusCode, body } = await request(`https://${engine.address}:2137/web/metrics`, {
        dispatcher,
        headers,
      });
      return { status: statusCode, text: await body.text() };
    };
    const authorization = `Basic ${Buffer.from(`prometheus:${password}`).toString("base64")}`;
    const expected = { status: 200, text: sampleExposition };
    const response = () => get({ authorization }).catch((error: Error) => error.message);
    await expect.poll(response, { timeout: 60_000, interval: 500 }).toEqual(expected);
    expect((await get()).status).toBe(401);
    await dispatcher.close();
  });

  it("runs with SSHPASS as a Docker secret, which `docker service inspect` does not show", async () => {
    const file = join(folder, "sshpass");
    await writeFile(file, secret.SSHPASS);
    await engine.docker(["secret", "create", "sshpass_1", file]);
    await deployStack(engine, "monitoring", [await stackWithSecret(), joining("shop_default")]);
    await expect.poll(() => client.metrics("web"), { timeout: 60_000, interval: 500 }).toBe(sampleExposition);
    const settings = await engine.docker([
      "service",
      "inspect",
      "monitoring_proxy",
      "--format",
      "{{json .Spec}}",
    ]);
    expect(settings).toContain("/run/secrets/sshpass");
    expect(settings).not.toContain(secret.SSHPASS);
  });
});
