import { describe, expect, it } from "vitest";
import { targetKeyOf } from "../../../src/archive/target-key.js";
import { setUpServer, statusOf } from "../../support/http-server.js";
import { at, peerAt, replicating, time } from "../../support/replication-view.js";

it("/targets lists every target and provider", async () => {
  const failing = { since: Date.UTC(2026, 0, 1), reason: "connection refused" };
  const { get, put } = await setUpServer({
    targets: [
      statusOf(
        { url: "http://127.0.0.1/metrics", lastDuration: 0.25 },
        { id: "docker:1", labels: { team: "a" } },
      ),
      statusOf({ state: "unreachable", reason: "no shared network (it is on: db)" }, { id: "docker:2" }),
    ],
    providers: [{ name: "docker", failing }],
  });
  put();
  const { status, headers, text } = await get("/targets");
  expect(status).toBe(200);
  expect(headers["content-type"]).toBe("application/json; charset=utf-8");
  expect(JSON.parse(text)).toMatchObject({
    node: "node1",
    version: "1.2.3",
    providers: [
      { name: "docker", ok: false, failingSince: "2026-01-01T00:00:00.000Z", reason: "connection refused" },
    ],
    targets: [
      {
        id: "docker:1",
        state: "up",
        instance: "web.1",
        lastDurationSeconds: 0.25,
        labels: { team: "a" },
        entry: { fresh: true, ageSeconds: 0, samples: 1 },
      },
      { id: "docker:2", state: "unreachable", reason: "no shared network (it is on: db)" },
    ],
  });
});

describe("/targets for targets of other nodes", () => {
  const targetsOf = async (get: (path: string) => Promise<{ text: string }>) =>
    JSON.parse((await get("/targets")).text).targets;

  it("lists those of this node first, each with its node", async () => {
    const own = statusOf({}, { id: "docker:own" });
    const { get, node } = await setUpServer({ targets: [own] });
    node("a1").put();
    node("n2").put({ id: "docker:2", replica: "2" });
    expect(await targetsOf(get)).toMatchObject([
      { node: "node1", id: "docker:own" },
      { node: "a1", id: "docker:1" },
      { node: "n2", id: "docker:2" },
    ]);
  });

  it("has the state, the last attempt and the cached scrape of each", async () => {
    const { get, node, clock } = await setUpServer();
    node("n2").put({ duration: 0.5, samples: 3 });
    clock.advance(12);
    expect(await targetsOf(get)).toEqual([
      {
        node: "n2",
        id: "docker:1",
        title: "docker:1",
        names: ["web", "shop_web"],
        job: "shop_web",
        replica: "1",
        instance: "shop_web.1",
        stack: "shop",
        scope: "replicated",
        state: "up",
        since: time,
        url: "http://10.0.0.1:8080/metrics",
        lastScrape: time,
        lastSuccess: time,
        lastDurationSeconds: 0.5,
        entry: expect.objectContaining({ fresh: true, ageSeconds: 12, samples: 3 }),
        labels: {},
      },
    ]);
  });

  it("has the reason why a target is down, since when, and its last successful scrape", async () => {
    const { get, node, clock } = await setUpServer();
    node("n2").put();
    clock.advance(20);
    const reason = "connection refused";
    node("n2").list({ id: "docker:1", state: "down", reason, since: clock.now() });
    node("n2").publish([{ target: targetKeyOf("docker:1"), ago: 0, duration: 0.25, outcome: { reason } }]);
    clock.advance(15);
    expect(await targetsOf(get)).toMatchObject([
      {
        state: "down",
        reason,
        since: new Date(at + 20_000).toISOString(),
        lastScrape: new Date(at + 20_000).toISOString(),
        lastSuccess: time,
        lastDurationSeconds: 0.25,
        entry: { fresh: false, ageSeconds: 35 },
      },
    ]);
  });

  it("has times by the clock of the other node", async () => {
    const { get, node, clock } = await setUpServer();
    node("n2").put({ scrapedAt: clock.now() - 7000 });
    const [target] = await targetsOf(get);
    expect(target.lastSuccess).toBe(new Date(at - 7000).toISOString());
    expect(target.entry.ageSeconds).toBe(0);
  });

  it("lists a target whose metrics stay on its node without a scrape", async () => {
    const { get, node } = await setUpServer();
    node("n2").list({ id: "docker:1", scope: "global" });
    const [target] = await targetsOf(get);
    expect(target).toMatchObject({ node: "n2", scope: "global", state: "up" });
    expect(target.entry).toBeUndefined();
  });

  it("lists an ended target as gone until its node no longer lists it", async () => {
    const { get, node, clock } = await setUpServer();
    node("n2").put();
    clock.advance(5);
    node("n2").list({ id: "docker:1", state: "gone", since: clock.now() });
    const [target] = await targetsOf(get);
    expect(target).toMatchObject({ state: "gone", since: new Date(at + 5000).toISOString() });
    expect(target.entry).toBeUndefined();
    expect((await get("/web/metrics")).status).toBe(404);
    node("n2").unlist("docker:1");
    expect(await targetsOf(get)).toEqual([]);
  });
});

describe("/targets for two targets with one job and instance", () => {
  const statesOf = async (get: (path: string) => Promise<{ text: string }>) =>
    JSON.parse((await get("/targets")).text).targets.map(
      ({ node, id, state, reason, shadowedBy }: Record<string, unknown>) => ({
        node,
        id,
        state,
        reason,
        shadowedBy,
      }),
    );

  it("has the state shadowed and the other's name for the one that is not served, on this node or another", async () => {
    const { get, put, node, clock } = await setUpServer({ targets: [statusOf({}, { id: "docker:own" })] });
    put({ id: "docker:own", startedAt: clock.now() - 60_000 });
    node("n2").put({ id: "docker:2", startedAt: clock.now() - 120_000 });
    node("n3").put({ id: "docker:3", startedAt: clock.now() - 20_000 });
    const shadowed = {
      state: "shadowed",
      reason: "not served: docker:3 on node n3 has the same job and instance",
      shadowedBy: { node: "n3", id: "docker:3", title: "docker:3" },
    };
    expect(await statesOf(get)).toEqual([
      { node: "node1", id: "docker:own", ...shadowed },
      { node: "n2", id: "docker:2", ...shadowed },
      { node: "n3", id: "docker:3", state: "up" },
    ]);
    clock.advance(10);
    node("n3").list({ id: "docker:3", state: "gone" });
    expect((await statesOf(get)).map(({ state }: { state: string }) => state)).toEqual([
      "up",
      "shadowed",
      "gone",
    ]);
  });

  it("has the state of a target that is down", async () => {
    const { get, node } = await setUpServer();
    node("n2").put({ id: "docker:2", startedAt: 1000 });
    node("n3").put({ id: "docker:3", startedAt: 1_000_000 });
    node("n2").list({ id: "docker:2", state: "down", reason: "timeout" });
    expect(await statesOf(get)).toMatchObject([{ state: "down", reason: "timeout" }, { state: "up" }]);
  });
});

it("/targets lists an ended target of this node as gone", async () => {
  const { get, put, publisher } = await setUpServer();
  const { id } = put();
  publisher.listed("docker", []);
  publisher.endCycle();
  const { targets } = JSON.parse((await get("/targets")).text);
  expect(targets).toMatchObject([{ node: "node1", id, state: "gone", since: time }]);
});

describe("/targets on peers and origins", () => {
  it("lists peers, origins with their clocks, and each scrape in a small object", async () => {
    const peers = [
      peerAt("10.0.0.2:22", { node: "n2", lastSuccess: at, lastDuration: 0.0123456 }),
      peerAt("10.0.0.3:22", {
        state: "failing",
        failures: 4,
        lastError: "it is away",
        lastReason: "connect",
      }),
    ];
    const { get, node, clock } = await setUpServer(
      replicating({
        peers,
        cutOff: [{ node: "n4", reason: "limit", error: "it sends too much", at, times: 2 }],
        sharedNames: ["twin"],
        origins: [
          { origin: "node1", entries: 0, silentFor: 0 },
          { origin: "n2", entries: 1, silentFor: 5, advertise: "n2.example.org:2137" },
        ],
      }),
    );
    node("n2").put({ id: "docker:7", replica: "2", scrapedAt: clock.now() + 7000 });
    clock.advance(31.5);
    const answer = JSON.parse((await get("/targets")).text);
    expect(answer.replication).toEqual({
      origin: "node1",
      manager: true,
      peerList: { ok: true },
      peers: [
        {
          title: "10.0.0.2:22",
          address: "10.0.0.2:22",
          node: "n2",
          state: "connected",
          lastSuccess: time,
          lastDurationSeconds: 0.012,
          failures: 0,
          bytesIn: 10,
          bytesOut: 20,
        },
        {
          title: "10.0.0.3:22",
          address: "10.0.0.3:22",
          state: "failing",
          failures: 4,
          lastError: "it is away",
          lastReason: "connect",
          bytesIn: 10,
          bytesOut: 20,
        },
      ],
      cutOff: [{ node: "n4", reason: "limit", error: "it sends too much", at: time, times: 2 }],
      sharedNames: ["twin"],
      origins: [
        { origin: "node1", entries: 0, silentSeconds: 0 },
        {
          origin: "n2",
          entries: 1,
          silentSeconds: 5,
          advertiseAddress: "n2.example.org:2137",
          clockOffsetSeconds: 7,
          timesUsed: true,
        },
      ],
    });
    expect(answer.replicated).toEqual([
      {
        name: "web",
        replica: "2",
        instance: "shop_web.2",
        origin: "n2",
        ageSeconds: 31.5,
        samples: 1,
        fresh: false,
      },
    ]);
  });

  it("has the time and reason of a failing peer list", async () => {
    const listFailing = { since: at, reason: "the engine is away" };
    const { get } = await setUpServer(replicating({ listFailing }));
    expect(JSON.parse((await get("/targets")).text).replication.peerList).toEqual({
      ok: false,
      failingSince: time,
      reason: "the engine is away",
    });
  });

  it("has the reason if nothing is replicated", async () => {
    const { get } = await setUpServer({ replication: { status: undefined, reason: "SSHPASS is not set" } });
    expect(JSON.parse((await get("/targets")).text)).toMatchObject({
      replication: null,
      whyNoReplication: "SSHPASS is not set",
      replicated: [],
    });
  });
});
