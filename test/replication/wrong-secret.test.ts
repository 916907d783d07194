import { expect, it } from "vitest";
import { type Logger, silentLogger } from "../../src/logging.js";
import { startProxy } from "./proxies.js";

/** A logger that keeps its warnings. */
function warningsLogger(): Logger & { readonly warnings: string[] } {
  const warnings: string[] = [];
  return { ...silentLogger, warnings, warn: (message) => void warnings.push(message) };
}

it("a wrong secret is told by both ends, by the one that is only talked to once for each address", async () => {
  const logger = warningsLogger();
  const wrong = await startProxy("wrong", { secret: "not the same secret", logger });
  for (const name of ["first", "second"]) {
    const manager = await startProxy(name);
    manager.talkTo(wrong);
    await manager.replicator.cycle();
    expect(manager.failures).toEqual(["host_key"]);
  }
  await expect.poll(() => wrong.refusals).toEqual(["host_key", "host_key"]);
  expect(logger.warnings).toEqual(["a peer was cut off"]);
  const error = expect.stringContaining("another SSHPASS there or here");
  expect(wrong.replicator.cutOffs()).toMatchObject([
    { node: "127.0.0.1", reason: "host_key", error, times: 2 },
  ]);
});
