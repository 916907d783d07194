import { describe, expect, it } from "vitest";
import { ExpiredTargets } from "../../src/cache/expired-targets.js";
import { clockAt } from "../support/publications.js";

const web = { names: ["web", "shop_web"], job: "shop_web", replica: "1", origin: "node1", lastPublished: 5 };

function setUp() {
  const clock = clockAt();
  return { clock, expired: new ExpiredTargets(clock) };
}

describe("ExpiredTargets", () => {
  it("remembers a target under each of its names for an hour", () => {
    const { clock, expired } = setUp();
    expired.add(web);
    clock.advance(3_599_999);
    expect(expired.named("web")).toMatchObject([web]);
    expect(expired.named("shop_web")).toMatchObject([web]);
    clock.advance(1);
    expect(expired.named("web")).toEqual([]);
  });

  it("remembers an instance once: where it was last", () => {
    const { expired } = setUp();
    expired.add(web);
    expired.add({ ...web, origin: "node2" });
    expect(expired.named("web")).toMatchObject([{ origin: "node2" }]);
  });

  it("removes an instance that is listed again", () => {
    const { expired } = setUp();
    expired.add(web);
    expired.add({ ...web, replica: "2" });
    expired.remove({ job: "shop_web", replica: "1" });
    expect(expired.named("web").map(({ replica }) => replica)).toEqual(["2"]);
  });

  it("remembers at most 10,000 targets: those that expired last", () => {
    const { expired } = setUp();
    for (let replica = 0; replica < 10_005; replica++) expired.add({ ...web, replica: String(replica) });
    const replicas = expired.named("web").map(({ replica }) => replica);
    expect(replicas).toHaveLength(10_000);
    expect(replicas[0]).toBe("5");
  });

  it("finds the targets of any number of names without examining all targets each time", () => {
    const { expired } = setUp();
    for (let replica = 0; replica < 10_000; replica++) expired.add({ ...web, replica: String(replica) });
    let examined = 0;
    expired.add({
      ...web,
      get names() {
        examined++;
        return web.names;
      },
    });
    examined = 0;
    for (let name = 0; name < 1000; name++) expect(expired.named(`web${name}`)).toEqual([]);
    expect(examined).toBeLessThan(10);
  });
});
