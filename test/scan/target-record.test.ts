import { describe, expect, it } from "vitest";
import { ScrapeError } from "../../src/fetch/scrape-error.js";
import { TargetRecord } from "../../src/scan/target-record.js";
import { targetAt } from "../support/target-server.js";

/** The seconds from each of the first failed scrapes to the next scrape. */
function retryDelays(interval: number, failures: number): number[] {
  const record = new TargetRecord(targetAt("http://127.0.0.1:1/metrics"), undefined, interval);
  const error = new ScrapeError("invalid", "not a valid exposition");
  let now = 0;
  return Array.from({ length: failures }, () => {
    record.failed(error, 0, 0, now);
    const begun = now;
    while (!record.isDue(now)) now += 1000;
    return (now - begun) / 1000;
  });
}

describe("a target without metrics", () => {
  it("is scraped again after one, two, four intervals, and at most five minutes", () => {
    const delays = retryDelays(10, 50);
    expect(delays.slice(0, 4)).toEqual([5, 15, 35, 75]);
    expect(delays.at(-1)).toBe(295);
    expect(retryDelays(3600, 1)).toEqual([1800]);
  });
});
