import { expect, it } from "vitest";
import { type Logger, silentLogger } from "../../src/logging.js";
import { soon, startProxy } from "./proxies.js";

/** A logger that keeps its warnings. */
function warningsLogger(): Logger & { readonly warnings: string[] } {
  const warnings: string[] = [];
  return { ...silentLogger, warnings, warn: (message) => void warnings.push(message) };
}

it("a wrong secret is reported by both nodes; the one that only listens reports it once per address", async () => {
  const logger = warningsLogger();
  const wrong = await startProxy("wrong", { secret: "not the same secret", logger });
  for (const name of ["first", "second"]) {
    const proxy = await startProxy(name, { interval: 3600 });
    await proxy.connectTo(wrong);
    await expect.poll(() => proxy.failures, soon).toEqual(["host_key"]);
  }
  await expect.poll(() => wrong.refusals, soon).toEqual(["host_key", "host_key"]);
  expect(logger.warnings).toEqual(["link from peer failed"]);
  const error = expect.stringContaining("another SSHPASS");
  expect(wrong.replication.status().cutOff).toMatchObject([
    { node: "127.0.0.1", reason: "host_key", error, times: 2 },
  ]);
});
