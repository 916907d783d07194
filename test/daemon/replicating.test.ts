import { describe, expect, it } from "vitest";
import { Replicating } from "../../src/daemon/replicating.js";
import { ConfigError, DiscoveryError } from "../../src/errors.js";
import { silentLogger } from "../../src/logging.js";
import type { ReplicationStatus } from "../../src/model/replication-status.js";
import type { Replication } from "../../src/replication/replication.js";
import { recordingLogger } from "../support/daemon.js";

const status = { origin: "node1" } as ReplicationStatus;

/** Replication whose starts have these results, one after the other. */
function setUp(...starts: (() => Promise<Replication | undefined>)[]) {
  return new Replicating(() => starts.shift()!(), silentLogger);
}

function running(attempted = true, refresh = () => undefined): Replication {
  return {
    port: 22,
    attempted,
    status: () => status,
    refresh: async () => refresh(),
    stop: async () => undefined,
  };
}

describe("readiness", () => {
  it("waits for the start and then for the first attempt to reach all peers", async () => {
    let start: (replication: Replication) => void = () => undefined;
    const replicating = setUp(() => new Promise((resolve) => (start = resolve)));
    const starting = replicating.start();
    expect(replicating.ready).toBe(false);
    expect(replicating.view()).toEqual({ status: undefined, reason: "not started yet" });
    let attempted = false;
    start({
      ...running(),
      get attempted() {
        return attempted;
      },
    });
    await starting;
    expect(replicating.view()).toEqual({ status });
    expect(replicating.ready).toBe(false);
    attempted = true;
    expect(replicating.ready).toBe(true);
  });

  it("needs no peers if nothing requires replication; the view states what to set", async () => {
    const replicating = setUp(async () => undefined);
    await replicating.start();
    expect(replicating.ready).toBe(true);
    expect(replicating.view()).toMatchObject({
      reason: expect.stringMatching(/^off: SSHPASS and PEERS are not set/),
    });
  });

  it("does not wait for an unreachable engine; the view has the reason until it starts", async () => {
    const replicating = setUp(
      () => Promise.reject(new DiscoveryError("the engine is unreachable")),
      async () => running(),
    );
    await replicating.start();
    expect(replicating.ready).toBe(true);
    expect(replicating.view()).toEqual({
      status: undefined,
      reason: "not started yet: the engine is unreachable",
    });
    replicating.afterScan();
    await expect.poll(() => replicating.view()).toEqual({ status });
  });
});

describe("a start", () => {
  it("rejects with an error that time cannot fix", async () => {
    const replicating = setUp(() => Promise.reject(new ConfigError(["SSHPASS is not set"])));
    await expect(replicating.start()).rejects.toThrow("SSHPASS is not set");
  });

  it("is retried after each scan, one at a time, and a reason is logged once", async () => {
    const { logger, lines } = recordingLogger();
    let underWay = 0;
    let starts = 0;
    const replicating = new Replicating(async () => {
      expect(++underWay).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      underWay--;
      if (++starts < 4) throw new DiscoveryError("the engine is unreachable");
      return running();
    }, logger);
    await replicating.start();
    await expect
      .poll(() => {
        replicating.afterScan();
        return replicating.view();
      })
      .toEqual({ status });
    expect(lines.map(({ message, fields }) => [message, fields])).toEqual([
      ["replication not started", { error: "the engine is unreachable" }],
    ]);
  });

  it("is followed by an update of the peer list after each scan", async () => {
    let refreshed = 0;
    const replicating = setUp(async () => running(true, () => void refreshed++));
    await replicating.start();
    replicating.afterScan();
    replicating.afterScan();
    expect(refreshed).toBe(2);
  });

  it("is not repeated after a stop", async () => {
    let starts = 0;
    const replicating = setUp(async () => {
      starts++;
      throw new DiscoveryError("the engine is unreachable");
    });
    await replicating.start();
    await replicating.stop();
    replicating.afterScan();
    expect(starts).toBe(1);
  });
});
