import { describe, expect, it } from "vitest";
import { ScrapeError } from "../../src/fetch/scrape-error.js";
import { TargetRecord } from "../../src/scan/target-record.js";
import { manualClock } from "../support/manual-clock.js";
import { scrapeFor } from "../support/scrapes.js";
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

describe("the URL that is known to have metrics", () => {
  const [first, second] = ["http://127.0.0.1:80/metrics", "http://127.0.0.1:8080/metrics"] as const;
  const error = new ScrapeError("connection", "connection refused");
  const success = { url: second, gzip: Buffer.of(), contentType: "text/plain", size: 0, samples: 1 };

  it("is the only one of a target whose port a label or a targets file states", () => {
    const knownOf = (urls: string[], expected: boolean) =>
      new TargetRecord(targetAt(urls, { expected }), undefined, 10).knownUrl;
    expect(knownOf([first], true)).toBe(first);
    expect(knownOf([first], false)).toBeUndefined();
    expect(knownOf([first, second], true)).toBeUndefined();
    expect(knownOf([], true)).toBeUndefined();
  });

  it("is that of the last successful scrape, also after a failure, while it is one of the target's URLs", () => {
    const record = new TargetRecord(targetAt([first, second]), undefined, 10);
    record.succeeded(success, 0, 0);
    expect(record.knownUrl).toBe(second);
    record.failed(error, 0, 0, 0);
    expect(record.winner).toBeUndefined();
    expect(record.knownUrl).toBe(second);
    record.update(targetAt([first]));
    expect(record.knownUrl).toBeUndefined();
  });

  it("is that of the last scrape of an earlier process", () => {
    const scrape = scrapeFor(manualClock(), { url: second });
    expect(new TargetRecord(targetAt([first, second]), scrape, 10).knownUrl).toBe(second);
  });
});
