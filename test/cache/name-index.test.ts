import { describe, expect, it } from "vitest";
import { type KnownTarget, NameIndex } from "../../src/cache/name-index.js";
import type { Scrape } from "../../src/model/scrape.js";
import { publishedTarget } from "../support/publications.js";

/** A target with a scrape of its start and its time. */
function known(fields: Parameters<typeof publishedTarget>[0] = {}, measuredAt?: number): KnownTarget {
  const target = publishedTarget(fields);
  const { job, replica, names, startedAt } = target;
  const scrape = { origin: "node1", job, replica, names, startedAt, scrapedAt: measuredAt, measuredAt };
  return { origin: "node1", target, scrape: measuredAt === undefined ? undefined : (scrape as Scrape) };
}

function setUp(...targets: KnownTarget[]) {
  const index = new NameIndex();
  for (const target of targets) index.add(target);
  const found = (name: string, replica?: string) =>
    [...index.replicas(name, replica)].flatMap((one) => [...one]);
  return { index, found };
}

describe("NameIndex", () => {
  it("finds a target under each of its names, and under that of its service", () => {
    const web = known({ names: ["web"], job: "shop_web" });
    const { index, found } = setUp(web);
    expect(found("web")).toEqual([web]);
    expect(found("shop_web")).toEqual([web]);
    expect(found("shop")).toEqual([]);
    expect([...index.names()]).toEqual(["web", "shop_web"]);
    expect([index.has("web"), index.has("web", "1"), index.has("web", "2"), index.has("shop")]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it("finds the targets of one replica", () => {
    const [one, other] = [known(), known({ replica: "2" })];
    const { found } = setUp(one, other);
    expect(found("web", "2")).toEqual([other]);
    expect(found("web", "3")).toEqual([]);
  });

  it("keeps the other targets of a replica if one is deleted", () => {
    const [one, other, third] = [known(), known(), known({ replica: "2" })];
    const { index, found } = setUp(one, other, third);
    expect([...index.replicas("web")]).toHaveLength(2);
    index.delete(one);
    expect(found("web")).toEqual([other, third]);
    index.delete(third);
    index.delete(other);
    expect(found("web")).toEqual([]);
    expect([...index.names()]).toEqual([]);
  });

  it("lists the targets that have the same job and replica as others", () => {
    const [one, other, third] = [known(), known(), known({ replica: "2" })];
    const { index } = setUp(one, third, known({ names: ["web"], job: "blog_web" }));
    expect([...index.rivals()]).toEqual([]);
    index.add(other);
    expect([...index.rivals()]).toEqual([[one, other]]);
    index.delete(one);
    expect([...index.rivals()]).toEqual([]);
    index.add(one);
    expect([...index.rivals()]).toEqual([[other, one]]);
  });

  it("accepts a name that occurs twice", () => {
    const web = known({ names: ["web", "web"] });
    const { index, found } = setUp(web);
    expect(found("web")).toEqual([web]);
    index.delete(web);
    expect([...index.names()]).toEqual([]);
  });

  it("knows whether a target with a name has a scrape", () => {
    const { index } = setUp(known(), known({ names: ["api"], job: "api" }, 5));
    expect([index.hasScrape("web"), index.hasScrape("api"), index.hasScrape("db")]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it("finds fresh scrapes, one per instance: of the target that was started last", () => {
    const moved = known({ startedAt: 2 }, 10);
    const sameReplica = known({ job: "blog_web" }, 12);
    const { index } = setUp(
      known({ startedAt: 1 }, 11),
      moved,
      known({ startedAt: 3 }, 9),
      known({ startedAt: 4 }),
      sameReplica,
      known({ replica: "2" }, 9),
    );
    expect([...index.fresh("web", 10)]).toEqual([moved.scrape, sameReplica.scrape, undefined]);
    expect([...index.fresh("web", 10, "2")]).toEqual([undefined]);
    expect([...index.fresh("web", 10, "3")]).toEqual([]);
  });
});
