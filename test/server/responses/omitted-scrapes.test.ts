import { expect, it } from "vitest";
import type { Scrape } from "../../../src/model/scrape.js";
import { OmittedScrapes } from "../../../src/server/responses/omitted-scrapes.js";
import { manualClock } from "../../support/manual-clock.js";
import { scrapeFor } from "../../support/scrapes.js";

const clock = manualClock();

it("omitted scrapes are reported once, and listed until they are replaced", () => {
  const reported: string[] = [];
  const [replaced, expired] = [new Set<unknown>(), new Set<unknown>()];
  const cache = { has: (one: Scrape) => !expired.has(one), holds: (one: Scrape) => !replaced.has(one) };
  const omitted = new OmittedScrapes(cache, ({ instance }) => reported.push(instance));
  const scrape = scrapeFor(clock);
  omitted.add(scrape, "damaged");
  omitted.add(scrape, "damaged");
  expect(omitted.has(scrape)).toBe(true);
  expect(omitted.reasonFor(scrape)).toBe("damaged");
  expect(omitted.list()).toEqual([{ instance: "shop_web.1", reason: "damaged" }]);
  replaced.add(scrape);
  expect(omitted.list()).toEqual([]);
  // A response with a history still omits it.
  expect(omitted.has(scrape)).toBe(true);
  expired.add(scrape);
  expect(omitted.list()).toEqual([]);
  expect(omitted.has(scrape)).toBe(false);
  expect(reported).toEqual(["shop_web.1"]);
});

it("thousands of damaged scrapes cost linear time, and a limited number is remembered", () => {
  let looks = 0;
  const has = () => {
    looks++;
    return true;
  };
  const omitted = new OmittedScrapes({ has, holds: () => true }, () => undefined);
  const scrape = scrapeFor(clock);
  for (let index = 0; index < 100_000; index++) omitted.add({ ...scrape, gzip: Buffer.alloc(0) }, "damaged");
  expect(looks).toBeLessThan(1_000_000);
  expect(omitted.list().length).toBeLessThanOrEqual(1000);
});
