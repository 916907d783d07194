import { describe, expect, it } from "vitest";
import { type Logger, silentLogger } from "../../src/logging.js";
import { served, soon, startProxy, type TestProxy } from "./proxies.js";

/** A logger that keeps warnings and errors. */
function linesLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  return { ...silentLogger, lines, error: keep("error"), warn: keep("warn") };
}

const sharedNames = ({ replication }: TestProxy) => replication.status().sharedNames;
const shared = "error: two nodes have the same name: give each node its own hostname";

describe("two nodes with the same name", () => {
  it("that dial each other refuse the link, and both report it", async () => {
    const [one, two] = [linesLogger(), linesLogger()];
    const dialling = await startProxy("node1", { logger: one, interval: 3600 });
    const dialled = await startProxy("node1", { logger: two });
    await dialling.connectTo(dialled);
    await expect.poll(() => dialling.failures, soon).toEqual(["same_name"]);
    expect(dialling.replication.status().peers).toMatchObject([
      {
        state: "failing",
        lastReason: "same_name",
        lastError: expect.stringMatching(/give each node its own hostname/),
      },
    ]);
    await expect
      .poll(() => dialled.replication.status().cutOff, soon)
      .toMatchObject([
        {
          node: "node1",
          reason: "same_name",
          times: 1,
          error: expect.stringMatching(/give each node its own hostname/),
        },
      ]);
    expect(dialled.failures).toEqual(["same_name"]);
    for (const proxy of [dialling, dialled]) expect(sharedNames(proxy)).toEqual(["node1"]);
    expect(one.lines).toEqual([shared, "warn: link to peer failed"]);
    expect(two.lines).toEqual([shared, "warn: link from peer failed"]);
  });

  it("are reported by a common peer", async () => {
    const manager = await startProxy("node1");
    const [one, two] = [await startProxy("twin"), await startProxy("twin")];
    await manager.connectTo(one, two);
    await expect.poll(() => sharedNames(manager), soon).toEqual(["twin"]);
  });

  it("are not reported if a node restarts", async () => {
    const manager = await startProxy("node1");
    for (let start = 0; start < 3; start++) {
      const other = await startProxy("node2");
      await manager.connectTo(other);
      other.put("1", `x ${start}\n`);
      await expect.poll(() => served(manager), soon).toEqual({ "1": `x ${start}\n` });
      await other.stop();
    }
    expect(sharedNames(manager)).toEqual([]);
    expect(manager.failures.filter((reason) => reason === "same_name")).toEqual([]);
  });
});

describe("a peer whose links fail repeatedly", () => {
  it("is counted each time and reported once", async () => {
    const logger = linesLogger();
    const proxy = await startProxy("node1", { logger });
    for (let time = 1; time <= 3; time++) {
      const other = await startProxy("node1", { interval: 3600 });
      await other.connectTo(proxy);
      await expect.poll(() => proxy.failures.length, soon).toBe(time);
      await other.stop();
    }
    expect(proxy.replication.status().cutOff).toMatchObject([{ node: "node1", times: 3 }]);
    expect(logger.lines.filter((line) => line.startsWith("warn"))).toEqual(["warn: link from peer failed"]);
  });
});
