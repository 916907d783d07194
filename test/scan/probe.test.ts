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

/** What hangs on a signal: its listeners, and the signals that Node keeps in sets of its own to be aborted with it. */
function hangingOn(signal: AbortSignal): number {
  const kept = Object.getOwnPropertySymbols(signal)
    .map((symbol) => (signal as unknown as Record<symbol, { readonly size?: unknown } | undefined>)[symbol])
    .reduce((sum, value) => sum + (typeof value?.size === "number" ? value.size : 0), 0);
  return getEventListeners(signal, "abort").length + kept;
}

describe("probing a target", () => {
  it("leaves nothing behind on the signal, which lives as long as the target", async () => {
    const { signal } = new AbortController();
    for (let cycle = 0; cycle < 3; cycle++) {
      await expect(probe(refusing, { urls }, undefined, signal)).rejects.toThrow("connection refused");
    }
    expect(hangingOn(signal)).toBe(0);
  });

  it("is called off with its target, whichever candidates are asked", async () => {
    const target = new AbortController();
    const asked: AbortSignal[] = [];
    const hanging: Scraper = {
      ...refusing,
      scrape: (_url, signal) =>
        new Promise((_resolve, reject) => {
          asked.push(signal);
          signal.addEventListener("abort", () => reject(new ScrapeError("aborted", "called off")));
        }),
    };
    const probing = probe(hanging, { urls }, undefined, target.signal);
    target.abort();
    await expect(probing).rejects.toThrow("called off");
    expect(asked.map(({ aborted }) => aborted)).toEqual([true, true]);
  });
});
