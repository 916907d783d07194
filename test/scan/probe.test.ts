import { getEventListeners } from "node:events";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { ScrapeError } from "../../src/fetch/scrape-error.js";
import type { Scraper } from "../../src/scan/http-scraper.js";
import { probe } from "../../src/scan/probe.js";

const urls = ["http://127.0.0.1:80/metrics", "http://127.0.0.1:8080/metrics"];
const unknown = { urls, winner: undefined, known: undefined };
const refusing: Scraper = {
  scrape: () => Promise.reject(new ScrapeError("connection", "connection refused")),
  close: async () => undefined,
};

/** The listeners of a signal and the dependent signals that Node keeps for it. */
function dependentsOf(signal: AbortSignal): number {
  const kept = Object.getOwnPropertySymbols(signal)
    .map((symbol) => (signal as unknown as Record<symbol, { readonly size?: unknown } | undefined>)[symbol])
    .reduce((sum, value) => sum + (typeof value?.size === "number" ? value.size : 0), 0);
  return getEventListeners(signal, "abort").length + kept;
}

describe("probe()", () => {
  it("leaves no listener on the signal, which exists as long as the target", async () => {
    const { signal } = new AbortController();
    for (let cycle = 0; cycle < 3; cycle++) {
      await expect(probe(refusing, unknown, signal)).rejects.toThrow("connection refused");
    }
    expect(dependentsOf(signal)).toBe(0);
  });

  it("aborts the scrapes of all URLs together with the target", async () => {
    const target = new AbortController();
    const signals: AbortSignal[] = [];
    const hanging: Scraper = {
      ...refusing,
      scrape: (_url, signal) =>
        new Promise((_resolve, reject) => {
          signals.push(signal);
          signal.addEventListener("abort", () => reject(new ScrapeError("aborted", "aborted")));
        }),
    };
    const probing = probe(hanging, unknown, target.signal);
    target.abort();
    await expect(probing).rejects.toThrow("aborted");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  describe("of a target whose responses have no samples", () => {
    const [first, second] = urls as [string, string];
    const { signal } = new AbortController();
    /** A scraper with the number of samples of each URL; other URLs fail. */
    const scraperOf = (samples: Record<string, number>): Scraper => ({
      ...refusing,
      scrape: async (url, aborted) => {
        const found = samples[url];
        if (found === undefined) return await refusing.scrape(url, aborted);
        return { gzip: gzipSync(""), contentType: "text/plain", size: 0, samples: found };
      },
    });

    it("fails if no URL is known to have metrics", async () => {
      const empty = scraperOf({ [first]: 0, [second]: 0 });
      await expect(probe(empty, unknown, signal)).rejects.toMatchObject({
        outcome: "no_samples",
        message: "127.0.0.1: exposition has no samples; 127.0.0.1:8080: exposition has no samples",
      });
    });

    it("succeeds at the URL that is known to have metrics", async () => {
      const empty = scraperOf({ [first]: 0, [second]: 0 });
      const known = { urls, winner: undefined, known: second };
      expect(await probe(empty, known, signal)).toMatchObject({ url: second, samples: 0 });
      expect(await probe(empty, { ...known, winner: second }, signal)).toMatchObject({ url: second });
    });

    it("succeeds at another URL that has samples", async () => {
      const moved = scraperOf({ [first]: 1 });
      expect(await probe(moved, { urls, winner: second, known: second }, signal)).toMatchObject({
        url: first,
        samples: 1,
      });
    });
  });
});
