import { describe, expect, it } from "vitest";
import { similarNames } from "../../../src/server/responses/explain-missing.js";
import { setUpServer, statusOf } from "../../support/http-server.js";

/** A server that has received one scrape from n2. */
async function setUp(options: Parameters<typeof setUpServer>[0] = {}) {
  const server = await setUpServer(options);
  const n2 = server.node("n2");
  n2.put({ id: "docker:9", replica: "2", text: "a 2\n" });
  return { ...server, n2 };
}

describe("a name with only stale scrapes from a node that is silent", () => {
  it.each([
    [47, "is stale"],
    [80, "has expired"],
    [121, "was forgotten with its node"],
  ])("is 503 with the time since the last update of the node (%i s: the scrape %s)", async (seconds) => {
    const { get, clock, cache } = await setUp({ history: 60 });
    expect((await get("/web/metrics")).text).toBe("a 2\n");
    clock.advance(seconds);
    cache.expire();
    for (const [path, requested] of [
      ["/web/metrics", '"web"'],
      ["/shop_web/federate", '"shop_web"'],
      ["/federate?name=web", '"web"'],
      ["/web/2/metrics", '"web", replica "2"'],
    ]) {
      expect(await get(path!)).toMatchObject({
        status: 503,
        text: `no fresh metrics for ${requested}: nothing received from node n2 for ${seconds} s\n`,
      });
    }
    expect(await get("/web/7/metrics")).toMatchObject({
      status: 404,
      text: 'unknown replica: "web", replica "7"; known replicas: 2\n',
    });
  });

  it("is 404 an hour after the node was forgotten", async () => {
    const { get, clock, cache } = await setUp();
    clock.advance(121);
    cache.expire();
    clock.advance(3599);
    expect((await get("/web/metrics")).status).toBe(503);
    clock.advance(1);
    expect((await get("/web/metrics")).status).toBe(404);
  });

  it("is 404 if another node lists the replica afterwards, and then removes it", async () => {
    const { get, clock, cache, node } = await setUp();
    clock.advance(121);
    cache.expire();
    node("n3").put({ id: "docker:10", replica: "2" });
    node("n3").unlist("docker:10");
    expect((await get("/web/metrics")).status).toBe(404);
  });

  it("includes the reasons for replicas of this node", async () => {
    const { get, clock } = await setUp({
      targets: [statusOf({ state: "down", reason: "connection refused" })],
    });
    clock.advance(40);
    expect((await get("/web/metrics")).text).toBe(
      'no fresh metrics for "web": down: connection refused; nothing received from node n2 for 40 s\n',
    );
  });
});

describe("a name of targets on another node that publishes", () => {
  it.each([
    ["down", "connection refused", "on node n2: down: connection refused"],
    ["down", undefined, "on node n2: down"],
    ["no metrics", "HTTP status 404", "on node n2: no metrics: HTTP status 404"],
    ["pending", undefined, "on node n2: pending"],
    ["unreachable", "no shared network", "on node n2: unreachable: no shared network"],
    ["disabled", "metrics.enable=false", "on node n2: disabled: metrics.enable=false"],
  ] as const)("is 503 with the state %s and the reason %s", async (state, reason, text) => {
    const { get, clock, n2 } = await setUp();
    clock.advance(31);
    n2.list({ id: "docker:9", state, ...(reason === undefined ? {} : { reason }) });
    n2.publish();
    expect(await get("/web/metrics")).toMatchObject({
      status: 503,
      text: `no fresh metrics for "web": ${text}\n`,
    });
  });

  it("is 503 if the node has no newer scrape", async () => {
    const { get, clock, n2 } = await setUp();
    clock.advance(31);
    n2.publish();
    expect(await get("/web/metrics")).toMatchObject({
      status: 503,
      text: 'no fresh metrics for "web": node n2 has published no new scrape for 31 s\n',
    });
  });

  it("is 503 until the first scrape arrives", async () => {
    const { get, node } = await setUpServer();
    node("n2").list({ id: "docker:9" });
    expect(await get("/web/metrics")).toMatchObject({
      status: 503,
      text: 'no fresh metrics for "web": on node n2: its scrape has not arrived yet\n',
    });
  });

  it.each(["global", "local"] as const)(
    "is 503 with the node to request for metrics of scope %s, which stay on their node",
    async (scope) => {
      const { get, node } = await setUpServer();
      node("n2").list({ id: "docker:9", scope });
      node("n2").publish();
      expect(await get("/web/metrics")).toMatchObject({
        status: 503,
        text: `no fresh metrics for "web": on node n2: served by that node only, not replicated (scope ${scope})\n`,
      });
    },
  );

  it("is 404 if the node has removed the target, for example because the service was removed", async () => {
    const { get, n2 } = await setUp();
    n2.unlist("docker:9");
    expect((await get("/web/metrics")).status).toBe(404);
  });

  it("is 404 if the target ended", async () => {
    const { get, n2 } = await setUp();
    n2.list({ id: "docker:9", state: "gone" });
    expect((await get("/web/metrics")).status).toBe(404);
    expect((await get("/web/2/metrics")).status).toBe(404);
  });

  it("has at most five reasons, each once", async () => {
    const { get, node } = await setUpServer();
    const targets = Array.from({ length: 12 }, (_, index) => ({
      id: `docker:${index}`,
      replica: `${index}`,
      state: "down" as const,
      reason: `reason ${Math.floor(index / 2)}`,
    }));
    node("n2").list(...targets);
    const reasons = [0, 1, 2, 3, 4].map((index) => `on node n2: down: reason ${index}`);
    expect((await get("/web/metrics")).text).toBe(`no fresh metrics for "web": ${reasons.join("; ")}\n`);
  });
});

describe("a node with very many targets", () => {
  const many = Array.from({ length: 2000 }, (_, index) => ({ id: `docker:${index}`, replica: `${index}` }));

  it("examines only some of them", async () => {
    const { get, node, cache } = await setUpServer();
    let examined = 0;
    const targets = many.map((target) => ({ ...target, state: "down" as const }));
    node("n2").list(...targets);
    for (const { target } of cache.feed("n2")!.scrapes.listed()) {
      Object.defineProperty(target, "reason", {
        get: () => {
          examined++;
          return "timeout";
        },
      });
    }
    for (const path of ["/nosuch/metrics", "/we/metrics", "/web/nosuch/metrics", "/federate?name=nosuch"])
      expect((await get(path)).status).toBe(404);
    expect(examined).toBe(0);
    expect((await get("/web/7/metrics")).text).toBe(
      'no fresh metrics for "web", replica "7": on node n2: down: timeout\n',
    );
    expect(examined).toBe(1);
    await get("/web/metrics");
    expect(examined).toBeLessThanOrEqual(1001);
  });

  it("lists at most 100 known replicas", async () => {
    const { get, node } = await setUpServer();
    node("n2").list(...many);
    const { text } = await get("/web/nosuch/metrics");
    expect(text.slice(text.indexOf("replicas: ") + 10).split(", ")).toHaveLength(100);
  });
});

describe("similarNames", () => {
  it("finds names that contain the requested one, or differ in a few letters", () => {
    const known = ["shop_web", "api", "wob", "database", "webmail"];
    expect(similarNames("web", known)).toEqual(["shop_web", "webmail", "wob"]);
  });

  it("compares a limited number of names, fewer if they are long", () => {
    const compared = (length: number) => {
      let count = 0;
      const names = (function* () {
        for (;;) {
          count++;
          yield "x".repeat(length);
        }
      })();
      similarNames("y".repeat(length), names);
      return count;
    };
    expect(compared(10)).toBeGreaterThan(5000);
    expect(compared(10)).toBeLessThan(10_000);
    expect(compared(200)).toBeLessThan(50);
  });
});
