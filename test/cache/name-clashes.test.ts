import { describe, expect, it } from "vitest";
import { findNameClashes } from "../../src/cache/name-clashes.js";
import type { Scrape } from "../../src/model/scrape.js";

const scrape = (job: string, ...names: string[]) => ({ names, job }) as unknown as Scrape;

describe("findNameClashes", () => {
  it("finds names that several services have, in order", () => {
    const scrapes = [
      scrape("shop_web", "web", "shop_web"),
      scrape("blog_web", "web", "blog_web"),
      scrape("shop_api", "api", "shop_api"),
      scrape("blog_api", "api", "blog_api"),
    ];
    expect(findNameClashes(scrapes)).toEqual([
      { name: "api", jobs: ["blog_api", "shop_api"] },
      { name: "web", jobs: ["blog_web", "shop_web"] },
    ]);
  });

  it("does not report replicas of one service", () => {
    expect(findNameClashes([scrape("shop_web", "web"), scrape("shop_web", "web")])).toEqual([]);
  });
});
