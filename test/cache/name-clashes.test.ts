import { describe, expect, it } from "vitest";
import { findNameClashes } from "../../src/cache/name-clashes.js";
import type { Scrape } from "../../src/model/scrape.js";

const scrape = (job: string) => ({ job }) as Scrape;

describe("findNameClashes", () => {
  it("finds names that several services have, in order", () => {
    const services = [
      ["web", [scrape("shop_web"), undefined, scrape("blog_web")]],
      ["shop_web", [scrape("shop_web")]],
      ["api", [scrape("shop_api"), scrape("blog_api")]],
    ] as const;
    expect(findNameClashes(services)).toEqual([
      { name: "api", jobs: ["blog_api", "shop_api"] },
      { name: "web", jobs: ["blog_web", "shop_web"] },
    ]);
  });

  it("does not report replicas of one service", () => {
    expect(findNameClashes([["web", [scrape("shop_web"), scrape("shop_web")]]])).toEqual([]);
  });
});
