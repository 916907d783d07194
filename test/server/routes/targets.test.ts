import { describe, expect, it } from "vitest";
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

describe("/targets on other nodes", () => {
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
    const { get, take, clock, cache } = await setUpServer(
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
    cache.holdings.publish({ origin: "node1", epoch: 1, travels: () => true });
    take("n2", { id: "docker:7", replica: "2", scrapedAt: clock.now() + 7000 });
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
          timesUsed: false,
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
