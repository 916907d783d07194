import { describe, expect, it } from "vitest";
import { targetKeyOf } from "../../../src/archive/target-key.js";
import { systemClock } from "../../../src/model/clock.js";
import { selectAttempts } from "../../../src/server/responses/attempt-history.js";
import { atOnce } from "../../support/at-once.js";
import { setUpServer } from "../../support/http-server.js";

/** A server whose cache has the scrapes of the node n2, and a function that lists attempts in one line each. */
async function setUp(history = 60) {
  const server = await setUpServer({ history });
  const { cache, clock } = server;
  const n2 = server.node("n2");
  const begun = clock.now();
  const fail = (id: string) =>
    n2.publish([{ target: targetKeyOf(id), ago: 0, duration: 0.5, outcome: { reason: "refused" } }]);
  const list = (selection: Parameters<typeof selectAttempts>[2] = {}) =>
    atOnce(selectAttempts(cache, clock, selection)).map(
      ({ id, scrapedAt, up, scrape, isReported, isHistory }) =>
        `${id} ${(scrapedAt - begun) / 1000} ${up ? "up" : "down"}${scrape === undefined ? "" : " samples"}` +
        `${isReported ? " reported" : ""}${isHistory ? " history" : ""}`,
    );
  return { ...server, n2, fail, list };
}

describe("the attempts of /federate", () => {
  it("are the newest ones, or with a history all of that time, oldest first", async () => {
    const { clock, n2, list } = await setUp();
    for (let cycle = 0; cycle < 4; cycle++) {
      n2.put({ text: `a ${cycle}\n` });
      clock.advance(10);
    }
    expect(list()).toEqual(["docker:1 30 up samples reported"]);
    expect(list({ history: 25 })).toEqual([
      "docker:1 20 up samples reported history",
      "docker:1 30 up samples reported",
    ]);
    expect(list({ history: 60 })).toHaveLength(4);
    // Never less than without a history.
    expect(list({ history: 1 })).toEqual(list());
  });

  it("include failures, after the newest samples", async () => {
    const { clock, n2, fail, list } = await setUp();
    n2.put();
    clock.advance(5);
    fail("docker:1");
    clock.advance(5);
    fail("docker:1");
    expect(list()).toEqual(["docker:1 0 up samples", "docker:1 10 down reported"]);
    expect(list({ history: 60 })).toEqual([
      "docker:1 0 up samples reported",
      "docker:1 5 down reported history",
      "docker:1 10 down reported",
    ]);
    // Stale samples are not sent; the failures are.
    clock.advance(22);
    expect(list()).toEqual(["docker:1 10 down reported"]);
    clock.advance(10);
    expect(list()).toEqual([]);
  });

  it("do not include containers that never had metrics", async () => {
    const { n2, fail, list } = await setUp();
    n2.list({ id: "docker:1", state: "no metrics" }, { id: "docker:2", replica: "2", state: "down" });
    fail("docker:1");
    fail("docker:2");
    expect(list()).toEqual(["docker:2 0 down reported"]);
    n2.list({ id: "docker:1", state: "gone" });
    expect(list({ history: 60 })).toEqual(["docker:2 0 down reported"]);
  });

  it("have no attempts of ended targets, except in a history", async () => {
    const { clock, n2, list } = await setUp();
    n2.put();
    clock.advance(5);
    n2.list({ id: "docker:1", state: "gone" });
    expect(list()).toEqual([]);
    expect(list({ history: 60 })).toEqual(["docker:1 0 up samples reported history"]);
    expect(list({ history: 4 })).toEqual([]);
  });

  it("are those of the served target when several have one instance", async () => {
    const { clock, n2, list, node } = await setUp();
    const begun = clock.now();
    n2.put({ id: "docker:old", startedAt: begun - 1000 });
    clock.advance(10);
    // The new container starts on another node before the old one ends.
    node("n3").put({ id: "docker:new", startedAt: begun + 5000 });
    clock.advance(1);
    n2.put({ id: "docker:old", startedAt: begun - 1000 });
    clock.advance(9);
    n2.list({ id: "docker:old", state: "gone" });
    node("n3").put({ id: "docker:new", startedAt: begun + 5000 });
    expect(list()).toEqual(["docker:new 20 up samples reported"]);
    expect(list({ history: 60 })).toEqual([
      "docker:old 0 up samples reported history",
      "docker:new 10 up samples reported history",
      "docker:new 20 up samples reported",
    ]);
  });

  it("continue with the old target when the new one ends", async () => {
    const { clock, n2, list } = await setUp();
    const begun = clock.now();
    const put = (id: string, startedAt: number) => n2.put({ id, startedAt });
    put("docker:old", begun - 1000);
    clock.advance(5);
    put("docker:new", begun + 1000);
    put("docker:old", begun - 1000);
    clock.advance(5);
    n2.list({ id: "docker:new", state: "gone" });
    put("docker:old", begun - 1000);
    expect(list({ history: 60 })).toEqual([
      "docker:old 0 up samples reported history",
      "docker:new 5 up samples reported history",
      "docker:old 10 up samples reported",
    ]);
  });

  it("are selected by any name of the service", async () => {
    const { n2, list } = await setUp();
    n2.put();
    n2.put({ id: "docker:2", job: "db", names: ["db"] });
    expect(list({ names: new Set(["web", "shop_web"]) })).toEqual(["docker:1 0 up samples reported"]);
    expect(list()).toHaveLength(2);
  });

  it("of one name are found without a look at the targets of others", async () => {
    const { n2, cache } = await setUp();
    n2.put();
    cache.targets = () => {
      throw new Error("not needed");
    };
    const selection = { names: new Set(["web", "shop_web", "none"]) };
    const steps = selectAttempts(cache, systemClock, selection);
    expect(atOnce(steps).map(({ id }) => id)).toEqual(["docker:1"]);
  });

  it("of one instance with many targets cost limited time", async () => {
    const { n2, list, clock } = await setUp();
    n2.list(
      ...Array.from({ length: 2000 }, (_, index) => ({ id: `docker:${index}`, state: "gone" as const })),
    );
    const attempts = Array.from({ length: 2000 }, (_, index) => ({
      target: targetKeyOf(`docker:${index}`),
      ago: index,
      duration: 1,
      outcome: { number: index + 1, contentType: "text/plain", size: 4, samples: 1 },
    }));
    n2.publish(attempts, { time: clock.now() });
    expect(list({ history: 60 })).toHaveLength(100);
  });
});
