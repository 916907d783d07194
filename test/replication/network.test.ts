import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/model/clock.js";
import { connectionsTo, served, soon, startProxy } from "./proxies.js";
import { startWire } from "./wire.js";

describe("a network between two proxies", () => {
  it("that stops delivering is detected, and both catch up once it works again", async () => {
    const [a, b] = [await startProxy("a", { interval: 1 }), await startProxy("b")];
    const wire = await startWire(b);
    await a.connectTo(wire);
    a.put("1", "x 1\n");
    await expect.poll(() => served(b), soon).toEqual({ "1": "x 1\n" });
    wire.swallow();
    await expect.poll(() => a.failures, soon).toContain("timeout");
    a.put("1", "x 2\n");
    wire.heal();
    await expect.poll(() => served(b), soon).toEqual({ "1": "x 2\n" });
  });

  it("that resets a connection at any time neither ends the process nor loses a scrape", {
    timeout: 240_000,
  }, async () => {
    const rounds = 40;
    // On a busy machine, some connections in a row exceed their timeouts.
    const atLast = { timeout: 120_000, interval: 20 };
    const [a, b] = [await startProxy("a", { interval: 0.5 }), await startProxy("b")];
    const wire = await startWire(b);
    const put = (round: number) => {
      for (let id = 0; id < 20; id++) a.put(`${id}`, `x ${round}\n`);
      b.put("b", `y ${round}\n`);
      for (const { publisher } of [a, b]) publisher.endCycle();
    };
    const isComplete = (round: number) => {
      const texts = Object.values(served(b)).filter((text) => text === `x ${round}\n`);
      return texts.length === 20 && served(a)["b"] === `y ${round}\n`;
    };
    put(0);
    await a.connectTo(wire);
    await expect.poll(() => isComplete(0), soon).toBe(true);
    const whole = wire.bytes;
    wire.resetAfter(0);
    for (let round = 1; round <= rounds; round++) {
      put(round);
      wire.resetAfter(Math.ceil((whole * round) / rounds));
      await expect.poll(() => wire.resets, atLast).toBe(1 + round);
    }
    await expect.poll(() => isComplete(rounds), atLast).toBe(true);
    await expect.poll(() => connectionsTo(b), atLast).toBe(1);
    const reasons = [...a.failures, ...b.failures].filter(
      (reason) => !["connect", "closed", "timeout"].includes(reason),
    );
    expect(reasons).toEqual([]);
  });

  it("leaves no descriptor open after many connections", async () => {
    const b = await startProxy("b", { clock: systemClock });
    b.put("1", "x 1\n");
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const connectOnce = async () => {
      const a = await startProxy("a");
      await a.connectTo(b);
      await expect.poll(() => served(a), soon).toEqual({ "1": "x 1\n" });
      await a.stop();
    };
    await connectOnce();
    await expect.poll(() => connectionsTo(b), soon).toBe(0);
    const before = descriptors();
    for (let round = 0; round < 20; round++) await connectOnce();
    await expect.poll(() => connectionsTo(b), soon).toBe(0);
    await expect.poll(() => descriptors() - before, soon).toBeLessThan(5);
  });
});
