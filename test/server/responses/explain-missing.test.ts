import { describe, expect, it } from "vitest";
import { setUpServer, statusOf } from "../../support/http-server.js";

/** A server whose cache publishes as node1 and has received one fresh scrape from n2. */
async function setUp() {
  const server = await setUpServer();
  const { cache, clock, take } = server;
  cache.holdings.publish({ origin: "node1", epoch: 1, travels: () => true });
  const receive = (sequence: number) => cache.holdings.reach("n2", { epoch: 1, sequence }, clock.monotonic());
  receive(1);
  const scrape = take("n2", { id: "docker:9", replica: "2", text: "a 2\n" });
  return { ...server, receive, scrape };
}

describe("a name with only stale scrapes from another node", () => {
  it.each(["before", "after"])(
    "is 503 with the time since the last update of the node, %s they are removed",
    async (when) => {
      const { get, clock, cache } = await setUp();
      expect((await get("/web/metrics")).text).toBe("a 2\n");
      clock.advance(47);
      if (when === "after") cache.dropStale();
      for (const [path, asked] of [
        ["/web/metrics", '"web"'],
        ["/shop_web/federate", '"shop_web"'],
        ["/web/2/metrics", '"web", replica "2"'],
      ]) {
        expect(await get(path!)).toMatchObject({
          status: 503,
          text: `no fresh metrics for ${asked}: nothing received from node n2 for 47 s\n`,
        });
      }
      expect(await get("/web/7/metrics")).toMatchObject({
        status: 404,
        text: 'unknown replica: "web", replica "7"; known replicas: 2\n',
      });
    },
  );

  it("has the reason that the node is alive but has no newer scrape", async () => {
    const { get, clock, cache, receive, scrape } = await setUp();
    clock.advance(31);
    receive(2);
    cache.holdings.drop(scrape);
    expect(await get("/web/metrics")).toMatchObject({
      status: 503,
      text: 'no fresh metrics for "web": node n2 has published no new scrape for 31 s: see /targets on n2\n',
    });
  });

  it("is 404 if the node has removed it, for example because the service was removed", async () => {
    const { get, cache, scrape } = await setUp();
    cache.holdings.drop(scrape);
    expect((await get("/web/metrics")).status).toBe(404);
  });

  it("is 404 if it came back and was removed then, and after an hour", async () => {
    const { get, clock, cache, take } = await setUp();
    clock.advance(31);
    cache.dropStale();
    cache.holdings.drop(take("n3", { id: "docker:10", replica: "2", epoch: 1, sequence: 1 }));
    expect((await get("/web/metrics")).status).toBe(404);

    take("n3", { id: "docker:11", replica: "3" });
    clock.advance(31);
    cache.dropStale();
    expect((await get("/web/metrics")).status).toBe(503);
    clock.advance(3600);
    expect((await get("/web/metrics")).status).toBe(404);
  });

  it("includes the reasons for replicas of this node", async () => {
    const { get, clock, cache, take } = await setUpServer({
      targets: [statusOf({ state: "down", reason: "connection refused" })],
    });
    cache.holdings.publish({ origin: "node1", epoch: 1, travels: () => true });
    take("n2", { replica: "2" });
    clock.advance(40);
    expect((await get("/web/metrics")).text).toBe(
      'no fresh metrics for "web": down: connection refused; nothing received from node n2 for 40 s\n',
    );
  });
});
