import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { freePort } from "./support/free-port.js";
import { tempFolder } from "./support/temp-folder.js";

const demo = join(import.meta.dirname, "../scripts/lib/demo.mjs");

/** The jobs of the exporters; each proxy scrapes half of them. */
const names = ["memory", "cpu", "network", "demo-process"];

it("the demo starts two proxies that serve each other's metrics, even after one stops, and leaves no files", {
  timeout: 120_000,
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
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
  const statuses = (port: number) =>
    Promise.all(names.map(async (name) => (await fetch(`http://127.0.0.1:${port}/${name}/metrics`)).status));

  await vi.waitFor(() => expect(output).toContain("Press Ctrl-C to stop everything."), { timeout: 60_000 });
  expect(await statuses(port)).toEqual([200, 200, 200, 200]);
  expect(await statuses(port + 1)).toEqual([200, 200, 200, 200]);

  process.kill(Number(/kill (\d+)/.exec(output)?.[1]), "SIGTERM");
  await vi.waitFor(() => expect(output).toMatch(/^\[1\].*stopped/m), { timeout: 10_000 });
  expect(await statuses(port + 1)).toEqual([200, 200, 200, 200]);

  child.kill("SIGINT");
  expect(await ended).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});
