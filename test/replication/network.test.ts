import { readdirSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import type { FailureReason } from "../../src/replication/peer-error.js";
import { served, startProxy, type TestProxy } from "./proxies.js";
import { startWire } from "./wire.js";

/** Long enough for a machine that has much else to do. */
const soon = { timeout: 15_000 };

/** Cycles until the test is done, as the daemon does. */
function cycleOnAndOn({ replicator }: TestProxy): void {
  const timer = setInterval(() => void replicator.cycle(), 200);
  onTestFinished(() => clearInterval(timer));
}

describe("a network between two proxies", () => {
  it("that swallows everything for a while is found out, and both are in step once it is well again", async () => {
    const [a, b] = [await startProxy("a", { limits: { idleMs: 500 }, interval: 1 }), await startProxy("b")];
    const wire = await startWire(b);
    a.talkTo(wire);
    a.put("1", "x 1\n");
    cycleOnAndOn(a);
    await expect.poll(() => served(b), soon).toEqual({ "1": "x 1\n" });
    wire.swallow();
    await expect.poll(() => a.failures, soon).toContain("timeout");
    a.put("1", "x 2\n");
    wire.heal();
    await expect.poll(() => served(b), soon).toEqual({ "1": "x 2\n" });
  });

  it("that resets a connection at any moment costs neither the process nor an entry", async () => {
    const rounds = 40;
    const absences: readonly FailureReason[] = ["connect", "closed"];
    const [a, b] = [await startProxy("a", { interval: 0.05 }), await startProxy("b")];
    const wire = await startWire(b);
    a.talkTo(wire);
    const put = (round: number) => {
      for (let id = 0; id < 20; id++) a.put(`${id}`, `x ${round}\n`);
      b.put("b", `y ${round}\n`);
    };
    put(0);
    await a.replicator.cycle();
    expect(a.failures).toEqual([]);
    const whole = wire.bytes;
    wire.resetAfter(0);
    for (let round = 1; round <= rounds; round++) {
      put(round);
      wire.resetAfter(Math.ceil((whole * round) / rounds));
      const resets = async () => {
        await a.replicator.cycle();
        // Whatever the moment, it is an absence, which is forgiven soon.
        expect(a.failures.filter((reason) => !absences.includes(reason))).toEqual([]);
        return wire.resets;
      };
      await expect.poll(resets, soon).toBe(1 + round);
    }
    const inStep = async () => {
      await a.replicator.cycle();
      const last = Object.values(served(b)).filter((text) => text === `x ${rounds}\n`).length;
      return { last, connections: b.server.connections };
    };
    await expect.poll(inStep, soon).toEqual({ last: 20, connections: 1 });
    expect(b.failures).toEqual([]);
  });

  it("over which connections come and go leaves no descriptor behind", async () => {
    const b = await startProxy("b");
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const once = async () => {
      const a = await startProxy("a");
      a.put("1", "x 1\n");
      a.talkTo(b);
      await a.replicator.cycle();
      expect(a.failures).toEqual([]);
      await a.stop();
    };
    await once();
    await expect.poll(() => b.server.connections, soon).toBe(0);
    const before = descriptors();
    for (let round = 0; round < 8; round++) await Promise.all(Array.from({ length: 5 }, once));
    await expect.poll(() => b.server.connections, soon).toBe(0);
    await expect.poll(() => descriptors() - before, soon).toBeLessThan(5);
  });
});
