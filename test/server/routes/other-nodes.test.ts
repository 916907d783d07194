import { describe, expect, it } from "vitest";
import type { PeerStatus, ReplicationStatus } from "../../../src/model/replication-status.js";
import { setUpServer, statusOf } from "../../support/http-server.js";

const at = Date.UTC(2026, 0, 1);
const time = "2026-01-01T00:00:00.000Z";

function peerAt(address: string, fields: Partial<PeerStatus> = {}): PeerStatus {
  return { title: address, address, state: "connected", failures: 0, bytesIn: 10, bytesOut: 20, ...fields };
}

function replicating(fields: Partial<ReplicationStatus> = {}) {
  const status = {
    origin: "node1",
    manager: true,
    peers: [],
    cutOff: [],
    sharedNames: [],
    origins: [],
    ...fields,
  };
  return { replication: { status } };
}

describe("/targets on other nodes", () => {
  it("tells of peers, of origins with their clocks, and of each entry in one small object", async () => {
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

  it("tells since when and why peers cannot be listed", async () => {
    const listFailing = { since: at, reason: "the engine is away" };
    const { get } = await setUpServer(replicating({ listFailing }));
    expect(JSON.parse((await get("/targets")).text).replication.peerList).toEqual({
      ok: false,
      failingSince: time,
      reason: "the engine is away",
    });
  });

  it("says why where nothing is replicated", async () => {
    const { get } = await setUpServer({ replication: { status: undefined, reason: "SSHPASS is not set" } });
    expect(JSON.parse((await get("/targets")).text)).toMatchObject({
      replication: null,
      whyNoReplication: "SSHPASS is not set",
      replicated: [],
    });
  });
});

describe("the status page on other nodes", () => {
  it("lists peers and origins, and what is wrong, all as text", async () => {
    const { get } = await setUpServer(
      replicating({
        peers: [
          peerAt("10.0.0.2:22", { node: "n2" }),
          peerAt("10.0.0.3:22", { state: "failing", lastError: "<b>it is away" }),
        ],
        sharedNames: ["twin"],
        origins: [
          { origin: "node1", entries: 3, silentFor: 0 },
          { origin: "n2", entries: 2, silentFor: 5 },
        ],
      }),
    );
    const { text } = await get("/");
    for (const line of [
      "10.0.0.2:22 (n2): connected",
      "10.0.0.3:22: failing: &#60;b&#62;it is away",
      "several nodes share the hostname twin: each needs its own",
      "node1: 3 scrapes, this node",
      "n2: 2 scrapes, last update 5 s ago",
    ]) {
      expect(text).toContain(`<li>${line}</li>`);
    }
  });

  it("says why there are none", async () => {
    const alone = await setUpServer({ replication: { status: undefined, reason: "SSHPASS is not set" } });
    expect((await alone.get("/")).text).toContain("<li>no replication: SSHPASS is not set</li>");
    const worker = await setUpServer(replicating({ manager: false }));
    expect((await worker.get("/")).text).toContain(
      "<li>none: this node waits for connections from managers</li>",
    );
  });
});

describe("/discovery on other nodes", () => {
  const advertised = (text: string) =>
    (JSON.parse(text) as { targets: string[]; labels: Record<string, string> }[]).map(
      ({ targets, labels }) => [
        labels["__metrics_path__"],
        labels["__meta_app_metrics_proxy_node"],
        ...targets,
      ],
    );

  it("gives each replica once, at the address of the node that scrapes it, or at this one's where it told none", async () => {
    const own = statusOf({}, { names: ["web", "shop_web"], job: "shop_web", replica: "1" });
    const { get, put, take, cache, clock } = await setUpServer({
      targets: [own],
      advertiseAddress: "node1.example.org:2137",
    });
    cache.holdings.publish({ origin: "node1", epoch: 1, travels: () => true });
    put({ id: own.target.id });
    const version = { epoch: 1, sequence: 1 };
    cache.holdings.reach("n2", version, clock.monotonic(), "n2.example.org:2137");
    cache.holdings.reach("n3", version, clock.monotonic());
    cache.holdings.reach("n4", version, clock.monotonic(), "http://n4 /");
    take("n2", { id: "docker:2", replica: "2" });
    take("n3", { id: "docker:3", replica: "3" });
    take("n4", { id: "docker:4", replica: "a b" });
    // It moved here from n2, which has not noticed yet.
    take("n2", { id: "docker:5", replica: "1" });
    const { text } = await get("/discovery");
    expect(advertised(text)).toEqual([
      ["/shop_web/1/metrics", "node1", "node1.example.org:2137"],
      ["/shop_web/2/metrics", "n2", "n2.example.org:2137"],
      ["/shop_web/3/metrics", "n3", "node1.example.org:2137"],
      ["/shop_web/a b/metrics", "n4", "node1.example.org:2137"],
    ]);
    clock.advance(31);
    expect(advertised((await get("/discovery")).text)).toHaveLength(1);
  });

  it("says of another node's replica what its entry says", async () => {
    const { get, take } = await setUpServer({ advertiseAddress: "node1.example.org:2137" });
    take("n2", { replica: "2" });
    expect(JSON.parse((await get("/discovery")).text)[0].labels).toEqual({
      __metrics_path__: "/shop_web/2/metrics",
      __meta_app_metrics_proxy_name: "web",
      __meta_app_metrics_proxy_service: "shop_web",
      __meta_app_metrics_proxy_stack: "shop",
      __meta_app_metrics_proxy_replica: "2",
      __meta_app_metrics_proxy_node: "n2",
      __meta_app_metrics_proxy_state: "up",
    });
  });
});
