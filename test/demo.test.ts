import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { freePort } from "./support/free-port.js";
import { tempFolder } from "./support/temp-folder.js";

const demo = join(import.meta.dirname, "../scripts/lib/demo.mjs");

/** Each half of the exporters is one proxy's own. */
const names = ["memory", "cpu", "network", "demo-process"];

it("the demo is a pair that answers for each other, also when one is stopped, and leaves nothing", {
  timeout: 60_000,
}, async () => {
  const folder = tempFolder();
  const port = await freePort();
  const child = spawn(process.execPath, [demo], {
    env: {
      PATH: process.env["PATH"],
      TMPDIR: folder,
      SCRAPE_INTERVAL: "1",
      STALE_AFTER: "60",
      LISTEN_ADDRESS: `127.0.0.1:${port}`,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let told = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (told += chunk));
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
  const statuses = (port: number) =>
    Promise.all(names.map(async (name) => (await fetch(`http://127.0.0.1:${port}/${name}/metrics`)).status));

  await vi.waitFor(() => expect(told).toContain("Ctrl-C ends it all."), { timeout: 30_000 });
  expect(await statuses(port)).toEqual([200, 200, 200, 200]);
  expect(await statuses(port + 1)).toEqual([200, 200, 200, 200]);

  process.kill(Number(/kill (\d+)/.exec(told)?.[1]), "SIGTERM");
  await vi.waitFor(() => expect(told).toMatch(/^\[1\].*stopped/m), { timeout: 10_000 });
  expect(await statuses(port + 1)).toEqual([200, 200, 200, 200]);

  child.kill("SIGINT");
  expect(await ended).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});
