import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { readConfig } from "../../src/config/config.js";
import { createScanning } from "../../src/daemon/scanning.js";
import { silentLogger } from "../../src/logging.js";
import { answerWith, startTarget } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";

/** Scans one target once, before replication starts. Returns the attempts that other nodes receive later. */
async function attemptsForPeers(settings: Record<string, string>): Promise<number> {
  const target = await startTarget(answerWith("up 1\n"));
  const file = join(tempFolder(), "targets.json");
  writeFileSync(file, JSON.stringify([{ targets: [`127.0.0.1:${target.port}`], labels: { job: "web" } }]));
  const config = readConfig({ TARGETS_FILE: file, ...settings });
  const { signal } = new AbortController();
  const scanning = await createScanning({ config, logger: silentLogger, version: "0" }, signal);
  const { cache } = scanning;
  onTestFinished(async () => {
    scanning.publisher.stop();
    await scanning.scraper.close();
  });
  await scanning.cycle();
  expect(cache.fresh()).toHaveLength(1);
  const published = cache.feed(hostname())!.publicationsAbove(0);
  return published.reduce(
    (sum, { publication }) => sum + (publication.kind === "batch" ? publication.attempts.length : 0),
    0,
  );
}

describe("scrapes before the start of replication", () => {
  it("go to peers later if PEERS is set", async () => {
    expect(await attemptsForPeers({ SSHPASS: "a secret for this test", PEERS: "192.0.2.1" })).toBe(1);
  });

  it("stay on this node without SSHPASS", async () => {
    expect(await attemptsForPeers({})).toBe(0);
  });
});

it("scrapes known targets at once although the engine hangs", async () => {
  const folder = tempFolder();
  const sockets: Socket[] = [];
  const engine = createServer((socket) => void sockets.push(socket)).listen(join(folder, "engine.sock"));
  const target = await startTarget(answerWith("up 1\n"));
  const file = join(folder, "targets.json");
  writeFileSync(file, JSON.stringify([{ targets: [`127.0.0.1:${target.port}`] }]));
  const config = readConfig({
    TARGETS_FILE: file,
    DOCKER_HOST: `unix://${join(folder, "engine.sock")}`,
    SCRAPE_INTERVAL: "1",
  });
  const stopping = new AbortController();
  const scanning = await createScanning({ config, logger: silentLogger, version: "0" }, stopping.signal);
  onTestFinished(async () => {
    stopping.abort();
    scanning.publisher.stop();
    await scanning.scraper.close();
    for (const socket of sockets) socket.destroy();
    engine.close();
  });
  await scanning.cycle();
  expect(target.requests).toHaveLength(1);
  const before = sockets.length;
  const second = scanning.cycle();
  await expect.poll(() => target.requests.length).toBe(2);
  // The engine has the requests of the second cycle and has not failed them yet.
  expect(sockets.slice(before).some(({ destroyed }) => !destroyed)).toBe(true);
  await second;
});
