import { execFileSync } from "node:child_process";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { ServiceLabelTable } from "../../src/cache/service-label-table.js";
import { silentLogger } from "../../src/logging.js";
import { systemClock } from "../../src/model/clock.js";
import { FrameDecoder } from "../../src/replication/frames.js";
import { startReplication } from "../../src/replication/replication.js";
import { openLink } from "../../src/replication/ssh/client.js";
import { createStaticPeers } from "../../src/replication/static-peers.js";
import { createTelemetry } from "../../src/telemetry.js";
import { tempFolder } from "../support/temp-folder.js";
import { freePorts } from "./daemons.js";
import { keysFor, startProxy, testSecret } from "./proxies.js";
import { message } from "./raw-peer.js";

function start(port = 0, cacheDir = tempFolder()) {
  const lines: string[] = [];
  const cache = new Cache({ clock: systemClock, staleAfter: 30 });
  const starting = startReplication({
    listen: { host: "127.0.0.1", port },
    secret: testSecret,
    source: createStaticPeers([]),
    replicateTo: "all",
    travels: () => true,
    cache,
    serviceLabels: new ServiceLabelTable(),
    cacheDir,
    staleAfter: 30,
    maxBytes: 1024,
    interval: 10,
    origin: "node1",
    clock: systemClock,
    logger: { ...silentLogger, info: (line) => void lines.push(line) },
    telemetry: createTelemetry("0"),
  });
  onTestFinished(async () => (await starting).stop());
  return { starting, cache, lines };
}

it("a peer that claims ever higher epochs of a node has it begin a few, and fills neither its log nor its disk", async () => {
  const { starting, cache, lines } = start();
  const replication = await starting;
  const address = { host: "127.0.0.1", port: replication.port };
  const link = await openLink(address, await keysFor(), AbortSignal.timeout(10_000));
  onTestFinished(() => link.close());
  const stream = await link.run("sync");
  const decoder = new FrameDecoder({ m: 1e6, t: 1e6 });
  let answers = 0;
  stream.on("data", (chunk: Buffer) => (answers += decoder.push(chunk).length));
  const { epoch } = cache.holdings;
  stream.write(message({ kind: "hello", protocol: 1, instance: "evil", origin: "evil" }));
  for (let plan = 1; plan <= 40; plan++) {
    stream.write(message({ kind: "plan", raise: [epoch + 10 * plan, 0], light: [], offer: [], want: [] }));
  }
  await expect.poll(() => answers, { timeout: 10_000 }).toBe(41);
  expect(lines.filter((line) => /begins a new one/.test(line))).toHaveLength(5);
  expect(cache.holdings.epoch).toBe(epoch + 51);
});

it("a peer that calls while this node is starting has it begin no epoch but the one that it starts with", async () => {
  const peer = await startProxy("peer", { interval: 0.05 });
  const epoch = systemClock.now() - 1000;
  peer.cache.holdings.reach("node1", { epoch, sequence: 3 }, systemClock.monotonic());
  const port = (await freePorts(1))[0]!;
  peer.talkTo({ server: { port } });
  const cacheDir = tempFolder();
  const kept = join(cacheDir, "origin.json");
  // Who reads from a pipe has to wait, as for a slow disk; who writes into it waits until it is read.
  execFileSync("mkfifo", [kept]);
  const { starting, lines } = start(port, cacheDir);
  const disk = await open(kept, "w");
  await peer.replicator.cycle();
  await disk.writeFile(JSON.stringify({ origin: "node1", epoch }));
  await disk.close();
  await starting;
  const inTouch = async () => {
    await peer.replicator.cycle();
    return peer.replicator.statuses()[0]?.state;
  };
  await expect.poll(inTouch, { timeout: 10_000 }).toBe("connected");
  expect(lines).toEqual(["replicating"]);
});
