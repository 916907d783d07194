import { describe, expect, it } from "vitest";
import { NameIndex } from "../../src/cache/name-index.js";
import type { Scrape } from "../../src/model/scrape.js";

const scrape = (names: readonly string[]) => ({ names }) as Scrape;

describe("NameIndex", () => {
  it("finds a scrape under each of its names", () => {
    const index = new NameIndex();
    const web = scrape(["web", "shop_web"]);
    index.replace(undefined, web);
    expect([...index.named("web")]).toEqual([web]);
    expect([...index.named("shop_web")]).toEqual([web]);
    expect([...index.named("shop")]).toEqual([]);
    expect(index.names()).toEqual(["web", "shop_web"]);
    expect(index.all()).toEqual([web]);
  });

  it("replaces a scrape under its old names and its new ones", () => {
    const index = new NameIndex();
    const before = scrape(["web"]);
    const now = scrape(["api"]);
    index.replace(undefined, before);
    index.replace(before, now);
    expect(index.names()).toEqual(["api"]);
    expect(index.all()).toEqual([now]);
    index.replace(now, undefined);
    expect(index.names()).toEqual([]);
    expect(index.all()).toEqual([]);
  });

  it("keeps the scrapes of other targets under the same name", () => {
    const index = new NameIndex();
    const [one, other] = [scrape(["web"]), scrape(["web"])];
    index.replace(undefined, one);
    index.replace(undefined, other);
    index.replace(one, undefined);
    expect([...index.named("web")]).toEqual([other]);
  });
});
