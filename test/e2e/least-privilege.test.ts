import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Engine, startEngine } from "../support/docker/engine.js";
import { importSampleExporter, sampleExposition } from "../support/docker/images.js";
import { importProjectImage } from "../support/docker/project-image.js";
import { type SocketFilter, startSocketFilter } from "../support/docker/socket-filter.js";
import { deployStack, joining, nameShippedImage, shippedStack } from "../support/docker/stack.js";
import { until } from "../support/docker/until.js";
import { startProxy } from "./proxy.js";
import { ProxyClient } from "./proxy-client.js";
import { describeOnEngine } from "./requirements.js";

const readme = fileURLToPath(new URL("../../README.md", import.meta.url));
const secret = { SSHPASS: "a secret for this test" };
const socketLine = /^ *- \/var\/run\/docker\.sock:.*\n/m;

/** The Engine API calls that the README lists. */
async function documentedCalls(): Promise<string[]> {
  const text = await readFile(readme, "utf8");
  return [...text.matchAll(/^\| `(GET \/\S+)` \|/gm)].map(([, call]) => call!);
}

const shop = `
version: "3.8"
services:
  web: { image: sample-exporter, deploy: { endpoint_mode: dnsrr } }
`;

describeOnEngine("the stack in a swarm, with the least privilege", () => {
  let engine: Engine;
  let folder: string;
  let filter: SocketFilter;
  let client: ProxyClient;

  const inProxy = async (...command: string[]) => {
    const id = await engine.docker([
      "ps",
      "--quiet",
      "--filter",
      "label=com.docker.swarm.service.name=metrics_proxy",
    ]);
    return engine.docker(["exec", id.split("\n")[0]!, ...command]);
  };
  /** /proc/<pid>/status of the proxy's process, which is not process 1 if the container has an init. */
  const statusOfProxy = () =>
    inProxy(
      "sh",
      "-c",
      'for p in /proc/[0-9]*; do [ "$(readlink $p/exe)" != /usr/local/bin/node ] || cat $p/status; done',
    );
  const untilServed = async () => {
    await client.untilHealthy(() => true);
    await until(
      () => client.metrics("shop_web"),
      (text) => text === sampleExposition,
      "shop_web is served",
      20_000,
    );
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "app-metrics-proxy-engine-"));
    await chmod(folder, 0o755);
    engine = await startEngine({ hostname: "node-1" });
    await Promise.all([importSampleExporter(engine), importProjectImage(engine)]);
    await nameShippedImage(engine);
    filter = await startSocketFilter({
      engine: engine.host.replace("unix://", ""),
      listen: join(folder, "docker.sock"),
      allowed: await documentedCalls(),
    });
    await engine.docker(["swarm", "init", "--advertise-addr", engine.address]);
    client = new ProxyClient(`http://${engine.address}:2137`);
    await deployStack(engine, "shop", [shop]);
    await deployStack(engine, "metrics", [shippedStack, joining("shop_default")], secret);
    await untilServed();
  });
  afterAll(async () => {
    await engine?.stop();
    await filter?.close();
    await rm(folder, { recursive: true, force: true });
  });

  describe("as it is shipped", () => {
    it("can write to its cache, and nowhere else", async () => {
      expect(await inProxy("ls", "/var/lib/app-metrics-proxy")).toMatch(/^segment-\d+\.tar$/m);
      await expect(inProxy("touch", "/app/dist/x")).rejects.toThrow(/Read-only file system/);
      await expect(inProxy("touch", "/tmp/x")).rejects.toThrow(/Read-only file system/);
    });

    it("has no capability except NET_BIND_SERVICE, and cannot gain others", async () => {
      const status = await statusOfProxy();
      expect(status).toMatch(/^CapBnd:\s+0+400$/m);
      expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    });
  });

  describe("behind a read-only socket proxy, as an unprivileged user", () => {
    beforeAll(async () => {
      const shipped = await readFile(shippedStack, "utf8");
      const edited = shipped
        .replace(socketLine, `      - ${folder}:/run/engine\n`)
        .replace('    # user: "10001"', '    user: "10001"')
        .replace(
          "    environment:\n",
          "    environment:\n      DOCKER_HOST: unix:///run/engine/docker.sock\n",
        );
      await deployStack(engine, "metrics", [edited, joining("shop_default")], secret);
      await until(statusOfProxy, (status) => /^Uid:\s+10001\s/m.test(status), "a task of user 10001");
      await untilServed();
    });

    it("runs as that user, without any capability", async () => {
      const status = await statusOfProxy();
      expect(status).toMatch(/^Uid:\s+10001\s/m);
      expect(status).toMatch(/^CapEff:\s+0+$/m);
    });

    it("keeps using the cache that it wrote as root", async () => {
      await expect
        .poll(() => inProxy("ls", "-ln", "/var/lib/app-metrics-proxy"), { timeout: 10_000 })
        .toMatch(/ 10001 .*segment-\d+\.tar/);
      expect(await inProxy("ls", "-ln", "/var/lib/app-metrics-proxy")).not.toMatch(
        / 0 +0 .*segment-\d+\.tar/,
      );
    });

    it("makes exactly the calls of the Engine API that the README lists, one of them only outside a container", async () => {
      const outside = await startProxy({ DOCKER_HOST: `unix://${join(folder, "docker.sock")}` });
      await outside.client.untilReady();
      await outside.stop();
      await expect
        .poll(() => [...filter.passed].sort(), { timeout: 20_000 })
        .toEqual((await documentedCalls()).sort());
      expect([...filter.refused]).toEqual([]);
    });

    it("finds a new container at once, through the events", async () => {
      await engine.docker([
        "service",
        "create",
        "--no-resolve-image",
        "--name",
        "late",
        "--network",
        "shop_default",
        "--endpoint-mode",
        "dnsrr",
        "sample-exporter",
      ]);
      await expect
        .poll(() => client.metrics("late").catch(String), { timeout: 20_000 })
        .toBe(sampleExposition);
    });
  });
});
