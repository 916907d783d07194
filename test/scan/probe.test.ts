import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { ScrapeError } from "../../src/fetch/scrape-error.js";
import type { Scraper } from "../../src/scan/http-scraper.js";
import { probe } from "../../src/scan/probe.js";

const urls = ["http://127.0.0.1:80/metrics", "http://127.0.0.1:8080/metrics"];
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
      await expect(probe(refusing, { urls }, undefined, signal)).rejects.toThrow("connection refused");
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
    const probing = probe(hanging, { urls }, undefined, target.signal);
    target.abort();
    await expect(probing).rejects.toThrow("aborted");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });
});
