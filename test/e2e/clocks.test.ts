import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { describeUnless } from "../support/describe-unless.js";
import { twoHoursAhead } from "../support/faketime.js";
import { freePort } from "../support/free-port.js";
import { isOnPath } from "../support/program.js";
import { answerWith, startTarget } from "../support/target-server.js";
import { tempFolder } from "../support/temp-folder.js";
import { type ProxyProcess, startProxy } from "./proxy.js";

const staleAfter = 4;
const missing = isOnPath("faketime") ? undefined : "not installed: faketime";

/** Starts two proxies, each with its own target. The clock of the second one is two hours ahead. */
async function startPair(): Promise<[here: ProxyProcess, ahead: ProxyProcess]> {
  const folder = tempFolder();
  const ports = [await freePort(), await freePort()];
  const start = async (name: string, own: number, clock: Record<string, string>) => {
    const target = await startTarget(answerWith("up 1\n"));
    const file = join(folder, `${name}.json`);
    const labels = { job: name, instance: "1" };
    await writeFile(file, JSON.stringify([{ targets: [`127.0.0.1:${target.port}`], labels }]));
    const settings = {
      TARGETS_FILE: file,
      SCRAPE_INTERVAL: "1",
      STALE_AFTER: String(staleAfter),
      SSHPASS: "a secret for this test",
      SSH_LISTEN_ADDRESS: `127.0.0.1:${ports[own]}`,
      PEERS: `127.0.0.1:${ports[1 - own]}`,
    };
    const proxy = await startProxy({ ...settings, ...clock });
    onTestFinished(proxy.kill);
    return proxy;
  };
  return [await start("app-here", 0, {}), await start("app-ahead", 1, await twoHoursAhead())];
}

describeUnless(missing, "nodes whose clocks are two hours apart", () => {
  it("serve each other's metrics with their true age, and omit the other node in /federate", async () => {
    const [here, ahead] = await startPair();
    for (const [proxy, name] of [
      [here, "app-ahead"],
      [ahead, "app-here"],
    ] as const) {
      await expect.poll(() => proxy.client.metrics(name).catch(String), { timeout: 15_000 }).toBe("up 1\n");
      const { headers } = await proxy.client.get(`/${name}/metrics`);
      expect(Number(headers.get("age"))).toBeLessThanOrEqual(staleAfter);
    }
    const logged = Date.parse(String(ahead.log[0]?.["timestamp"]));
    expect(logged - Date.now()).toBeGreaterThan(7_000_000);

    const { body, headers } = await here.client.get("/federate");
    expect(body).toMatch(/^up\{[^}]*job="app-here"[^}]*\} 1 \d{13}$/m);
    expect(body).not.toContain("app-ahead");
    expect(headers.get("x-clock-offset")).toMatch(/=7(199|200|201)\.\d/);
    const offset = await here.client.ownMetric("app_metrics_proxy_origin_clock_offset_seconds");
    expect(Math.abs(offset - 7200)).toBeLessThan(5);
    const errors = () => here.log.filter(({ level, message }) => level === "error" && /clock/.test(message));
    await expect.poll(errors, { timeout: 5000 }).toHaveLength(1);
  });

  it("stop serving the metrics of a node that failed after STALE_AFTER, not two hours later", async () => {
    const [here, ahead] = await startPair();
    const status = async () => (await here.client.get("/app-ahead/metrics")).status;
    await expect.poll(status, { timeout: 15_000 }).toBe(200);
    await ahead.kill();
    expect(await status()).toBe(200);
    await expect.poll(status, { timeout: (staleAfter + 5) * 1000 }).toBe(503);
  });
});
