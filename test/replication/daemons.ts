import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { readConfig } from "../../src/config/config.js";
import { type Daemon, startDaemon } from "../../src/daemon/daemon.js";
import { type Logger, silentLogger } from "../../src/logging.js";

/** Ports of loopback that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map((server) => new Promise<void>((done) => server.listen(0, "127.0.0.1", done))),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/** Starts a complete proxy in this process, with one target and settings from environment variables. */
export async function startWhole(
  folder: string,
  name: string,
  targetPort: number,
  settings: Record<string, string>,
  logger: Logger = silentLogger,
) {
  const targetsFile = join(folder, `${name}.json`);
  writeFileSync(
    targetsFile,
    JSON.stringify([{ targets: [`127.0.0.1:${targetPort}`], labels: { job: name } }]),
  );
  const config = readConfig({
    SCRAPE_INTERVAL: "1",
    STALE_AFTER: "3",
    TARGETS_FILE: targetsFile,
    CACHE_DIR: join(folder, name),
    DOCKER_HOST: "",
    ...settings,
  });
  const daemon = await startDaemon({ config, logger, version: "test" });
  let stopped = false;
  const stop = async () => {
    if (!stopped) await daemon.stop();
    stopped = true;
  };
  onTestFinished(stop);
  await daemon.started.catch(async (error) => {
    await stop();
    throw error;
  });
  return { ...daemon, stop };
}

/** The status and the text of a response. */
export async function get({ port }: Pick<Daemon, "port">, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return `${response.status} ${await response.text()}`;
}
