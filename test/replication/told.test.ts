import { describe, expect, it } from "vitest";
import { type Logger, silentLogger } from "../../src/logging.js";
import { CutOffs } from "../../src/replication/cut-offs.js";
import { NameWatch } from "../../src/replication/name-watch.js";
import { manualClock } from "../support/entries.js";
import { startProxy } from "./proxies.js";

/** A log that a test reads. */
function logOf(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const say = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  return { ...silentLogger, lines, error: say("error"), warn: say("warn") };
}

describe("those that are cut off", () => {
  it("fill no log, under however many names they come, and later ones are told again", () => {
    const clock = manualClock();
    const cutOffs = new CutOffs(clock);
    const told = () => {
      const names = Array.from({ length: 300 }, (_, index) => `n${index % 30}`);
      return names.filter((name) => cutOffs.note(name, "protocol", "it failed")).length;
    };
    expect(told()).toBe(20);
    clock.advance(60);
    expect(told()).toBe(2);
  });
});

describe("two nodes of one name", () => {
  it("that meet refuse each other, and both say so", async () => {
    const log = logOf();
    const one = await startProxy("node1");
    const two = await startProxy("node1", { logger: log });
    one.talkTo(two);
    await one.replicator.cycle();
    expect(one.replicator.statuses()).toMatchObject([
      {
        state: "failing",
        lastReason: "same_name",
        lastError: expect.stringMatching(/node names must differ/),
      },
    ]);
    expect(one.failures).toEqual(["same_name"]);
    await expect
      .poll(() => two.replicator.cutOffs())
      .toMatchObject([
        {
          node: "node1",
          reason: "same_name",
          times: 1,
          error: expect.stringMatching(/node names must differ/),
        },
      ]);
    expect(two.failures).toEqual(["same_name"]);
    for (const { replicator } of [one, two]) expect(replicator.sharedNames()).toEqual(["node1"]);
    expect(log.lines).toEqual(["warn: a peer was cut off"]);
  });

  it("that never meet are found by who talks to both", async () => {
    const log = logOf();
    const manager = await startProxy("node1", { logger: log });
    const [one, two] = [await startProxy("twin"), await startProxy("twin")];
    one.role(false);
    two.role(false);
    manager.talkTo(one, two);
    for (let cycle = 0; cycle < 3; cycle++) await manager.replicator.cycle();
    expect(manager.replicator.sharedNames()).toEqual(["twin"]);
    expect(manager.failures).toContain("same_name");
    expect(log.lines).toEqual([
      "error: several nodes bear one name, so each takes the other's metrics away: give each a hostname of its own",
    ]);
  });

  it("are not one that starts anew", async () => {
    const manager = await startProxy("node1");
    for (let start = 0; start < 3; start++) {
      const other = await startProxy("node2");
      manager.talkTo(other);
      await manager.replicator.cycle();
      await manager.replicator.cycle();
      await other.stop();
    }
    expect(manager.replicator.sharedNames()).toEqual([]);
    expect(manager.failures).toEqual([]);
  });

  it("are forgotten when one of them got another name", () => {
    const clock = manualClock();
    const names = new NameWatch(clock, 60);
    expect(["a", "b", "a", "b"].map((process) => names.saw("twin", process))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(names.shared()).toEqual(["twin"]);
    clock.advance(61);
    names.saw("twin", "b");
    expect(names.shared()).toEqual([]);
  });
});

describe("who is cut off again and again", () => {
  it("is counted each time, and told once", async () => {
    const log = logOf();
    const two = await startProxy("node1", { logger: log });
    for (let time = 0; time < 3; time++) {
      const one = await startProxy("node1");
      one.talkTo(two);
      await one.replicator.cycle();
      await expect.poll(() => two.failures).toHaveLength(time + 1);
    }
    expect(two.replicator.cutOffs()).toMatchObject([{ node: "node1", times: 3 }]);
    expect(log.lines).toEqual(["warn: a peer was cut off"]);
  });
});

describe("peers that cannot be talked to", () => {
  it("are told with the time since when, once, and until they can be", async () => {
    const clock = manualClock();
    const log = logOf();
    const proxy = await startProxy("node1", { logger: log, clock });
    const since = clock.now();
    proxy.role(true, undefined, "no shared network");
    await proxy.replicator.cycle();
    clock.advance(10);
    await proxy.replicator.cycle();
    expect(proxy.replicator.listFailing).toEqual({ since, reason: "no shared network" });
    expect(log.lines).toEqual(["error: there are peers that cannot be talked to"]);
    proxy.role(true);
    await proxy.replicator.cycle();
    expect(proxy.replicator.listFailing).toBeUndefined();
  });
});
