import { describe, expect, it } from "vitest";
import { Replicating } from "../../src/daemon/replicating.js";
import { ConfigError, DiscoveryError } from "../../src/errors.js";
import { silentLogger } from "../../src/logging.js";
import type { ReplicationStatus } from "../../src/model/replication-status.js";
import type { Replication } from "../../src/replication/replication.js";

const status = { origin: "node1" } as ReplicationStatus;

/** Replication that is started by the promises that a test gives, one after the other. */
function setUp(...starts: (() => Promise<Replication | undefined>)[]) {
  return new Replicating({
    logger: silentLogger,
    mayPass: (error) => error instanceof DiscoveryError,
    start: () => starts.shift()!(),
  });
}

function running(attempted: boolean): Replication {
  return {
    port: 22,
    attempted,
    status: () => status,
    cycle: async () => undefined,
    stop: async () => undefined,
  };
}

describe("readiness for other nodes", () => {
  it("waits for the start and then for the first attempt", async () => {
    let start: (replication: Replication) => void = () => undefined;
    const replicating = setUp(() => new Promise((resolve) => (start = resolve)));
    const starting = replicating.start();
    expect(replicating.ready).toBe(false);
    expect(replicating.view()).toEqual({ status: undefined, reason: "not started yet" });
    let attempted = false;
    start({
      ...running(false),
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

  it("is there where nothing asks for replication, which is told with what to set", async () => {
    const replicating = setUp(async () => undefined);
    await replicating.start();
    expect(replicating.ready).toBe(true);
    expect(replicating.view()).toMatchObject({
      reason: expect.stringMatching(/^SSHPASS and PEERS are not set/),
    });
  });

  it("does not wait for an engine that does not say whether there are other nodes; that is told until it does", async () => {
    const replicating = setUp(
      () => Promise.reject(new DiscoveryError("the engine is away")),
      async () => running(true),
    );
    await replicating.start();
    expect(replicating.ready).toBe(true);
    expect(replicating.view()).toEqual({ status: undefined, reason: "not started yet: the engine is away" });
    replicating.afterScan();
    await expect.poll(() => replicating.view()).toEqual({ status });
  });

  it("is no question where the start cannot go well", async () => {
    const replicating = setUp(() => Promise.reject(new ConfigError(["SSHPASS is not set"])));
    await expect(replicating.start()).rejects.toThrow("SSHPASS is not set");
  });
});
