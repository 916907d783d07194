import { getEventListeners } from "node:events";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { Publisher } from "../../src/cache/publisher.js";
import { withDeadline } from "../../src/deadline.js";
import { ScrapeError } from "../../src/fetch/scrape-error.js";
import { silentLogger } from "../../src/logging.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import { systemClock } from "../../src/model/clock.js";
import { nextCycle, startCron } from "../../src/scan/cron.js";
import type { Scraper } from "../../src/scan/http-scraper.js";
import { Scanner } from "../../src/scan/scanner.js";
import { createTelemetry } from "../../src/telemetry.js";
import { fakeProvider } from "../support/fake-provider.js";
import { targetAt, textType } from "../support/target-server.js";

afterEach(() => void vi.useRealTimers());

interface Load {
  /** Seconds between cycles. */
  readonly interval: number;
  /** Seconds after which a scrape fails. */
  readonly timeout: number;
  readonly concurrency: number;
  /** Seconds until each target responds; Infinity: never. */
  readonly responseTimes: readonly number[];
  readonly cycles: number;
}

/** Runs cycles on simulated clocks. Returns the starts of the scrapes of each target, in seconds since the first cycle. */
async function startsOf({ interval, timeout, concurrency, responseTimes, cycles }: Load) {
  vi.useFakeTimers({
    now: nextCycle(Date.UTC(2026, 0, 1), interval),
    toFake: ["Date", "performance", "setTimeout", "clearTimeout", "setInterval", "clearInterval"],
  });
  const clock = systemClock;
  const stopping = new AbortController();
  const begun = clock.monotonic();
  const starts: number[][] = responseTimes.map(() => []);
  const body = {
    gzip: gzipSync("up 1\n"),
    contentType: textType,
    size: 5,
    samples: 1,
  };
  const scraper: Scraper = {
    async scrape(url, signal) {
      const index = Number(new URL(url).pathname.slice(1));
      starts[index]!.push((clock.monotonic() - begun) / 1000);
      const wait = responseTimes[index]!;
      const respond = () =>
        new Promise<void>((resolve) => {
          if (Number.isFinite(wait)) setTimeout(resolve, wait * 1000);
        });
      await withDeadline(timeout * 1000, signal, respond).catch((cause) => {
        throw new ScrapeError("timeout", "no complete response", { cause });
      });
      return body;
    },
    close: async () => undefined,
  };
  const parts = { clock, logger: silentLogger, budget: new MemoryBudget(64 * 1024 * 1024), history: 600 };
  const cache = new Cache({ ...parts, staleAfter: 30 });
  const publisher = new Publisher({
    ...parts,
    cache,
    origin: () => "node1",
    instance: "instance of this node",
    travels: () => true,
  });
  const endCycle = vi.spyOn(publisher, "endCycle");
  const telemetry = createTelemetry("0.0.0");
  const targets = responseTimes.map((_, index) =>
    targetAt(`http://10.0.0.1/${index}`, { id: `test:${index}`, replica: String(index), expected: true }),
  );
  const scanner = new Scanner({
    ...parts,
    providers: [fakeProvider(...targets)],
    scraper,
    publisher,
    telemetry,
    interval,
    concurrency,
    signal: stopping.signal,
  });
  const stop = startCron({ interval, clock, run: () => scanner.cycle() });
  // A millisecond less than the end of the last cycle.
  await vi.advanceTimersByTimeAsync((cycles * interval - 0.001) * 1000);
  const { text: exposition } = await telemetry.expose();
  const ends = endCycle.mock.calls.length;
  const listeners = getEventListeners(stopping.signal, "abort").length;
  stopping.abort();
  publisher.stop();
  await stop();
  vi.useRealTimers();
  return { starts, ends, exposition, listeners };
}

/** In which cycles the scrapes started. */
function cyclesOf(starts: readonly number[], interval: number): number[] {
  return starts.map((start) => Math.floor(start / interval));
}

describe("a cycle", () => {
  it("scrapes each target that responds within the timeout once, whatever the others do", async () => {
    const load = fc
      .record({ interval: fc.integer({ min: 1, max: 60 }), concurrency: fc.integer({ min: 1, max: 8 }) })
      .chain(({ interval, concurrency }) =>
        fc.record({
          interval: fc.constant(interval),
          concurrency: fc.constant(concurrency),
          timeout: fc.double({ min: 0.8 * interval, max: 5 * interval, noNaN: true }),
          responseTimes: fc.array(
            fc.oneof(
              fc.double({ min: 0, max: 0.79 * interval, noNaN: true }),
              fc.double({ min: interval, max: 10 * interval, noNaN: true }),
              fc.constant(Number.POSITIVE_INFINITY),
            ),
            { minLength: 1, maxLength: 20 * concurrency },
          ),
          cycles: fc.constant(5),
        }),
      );
    await fc.assert(
      fc.asyncProperty(load, async (given) => {
        const { interval, timeout, responseTimes, cycles } = given;
        const { starts, ends } = await startsOf(given);
        for (const [index, wait] of responseTimes.entries()) {
          const inCycles = cyclesOf(starts[index]!, interval);
          if (wait < 0.8 * interval) {
            expect(inCycles).toEqual([...Array(cycles).keys()]);
            continue;
          }
          // The others are scraped again in the first cycle after their scrape has ended.
          const busy = Math.min(wait, timeout);
          const gaps = starts[index]!.slice(1).map((start, scrape) => start - starts[index]![scrape]!);
          for (const gap of gaps) {
            expect(gap).toBeGreaterThanOrEqual(busy - 0.01);
            expect(gap).toBeLessThanOrEqual(busy + 1.5 * interval);
          }
        }
        // The last cycle may still be in progress.
        expect([cycles - 1, cycles]).toContain(ends);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it("starts the scrapes of quick targets at once although 100 others never respond", async () => {
    const hanging = Array(100).fill(Number.POSITIVE_INFINITY);
    const { starts, listeners } = await startsOf({
      interval: 10,
      timeout: 55,
      concurrency: 64,
      responseTimes: [...hanging, 0.1, 0.1, 0.1],
      cycles: 8,
    });
    for (const quick of starts.slice(100)) {
      expect(quick[0]).toBeLessThanOrEqual(2);
      expect(quick.slice(1)).toEqual([10, 20, 30, 40, 50, 60, 70]);
    }
    for (const slow of starts.slice(0, 100)) expect(cyclesOf(slow, 10)).toEqual([0, 6]);
    // More than ten cause a warning.
    expect(listeners).toBeLessThan(10);
  });

  it("is the first scan, which ends when all its targets were scraped, also those of a list in progress", async () => {
    vi.useFakeTimers();
    let ended = false;
    let respond = () => {};
    const scraper: Scraper = {
      scrape: () =>
        new Promise((_, reject) => {
          respond = () => reject(new ScrapeError("timeout", "no complete response"));
        }),
      close: async () => undefined,
    };
    const provider = fakeProvider();
    let list = () => {};
    const stopping = new AbortController();
    provider.list = () =>
      new Promise((resolve) => {
        list = () => resolve([targetAt("http://127.0.0.1:9100/metrics")]);
      });
    const parts = {
      clock: systemClock,
      logger: silentLogger,
      budget: new MemoryBudget(64 * 1024 * 1024),
      history: 600,
    };
    const cache = new Cache({ ...parts, staleAfter: 30 });
    const publisher = new Publisher({
      ...parts,
      cache,
      origin: () => "node1",
      instance: "an instance",
      travels: () => true,
    });
    const scanner = new Scanner({
      providers: [provider],
      scraper,
      publisher,
      clock: systemClock,
      logger: silentLogger,
      telemetry: createTelemetry("0.0.0"),
      interval: 1,
      concurrency: 1,
      signal: stopping.signal,
    });
    void scanner.firstScan.then(() => {
      ended = true;
    });
    void scanner.cycle();
    await vi.advanceTimersByTimeAsync(1500);
    void scanner.cycle();
    await vi.advanceTimersByTimeAsync(1500);
    expect(ended).toBe(false);
    list();
    await vi.advanceTimersByTimeAsync(1500);
    expect(ended).toBe(false);
    respond();
    await vi.advanceTimersByTimeAsync(0);
    expect(ended).toBe(true);
    stopping.abort();
    publisher.stop();
  });

  it("ends within the interval, and counts the targets that are still being scraped", async () => {
    const { ends, exposition } = await startsOf({
      interval: 10,
      timeout: 25,
      concurrency: 64,
      responseTimes: [0.1, Number.POSITIVE_INFINITY],
      cycles: 5,
    });
    expect(ends).toBe(5);
    expect(exposition).toMatch(/^app_metrics_proxy_scrapes_skipped_total 3$/m);
    expect(exposition).toMatch(/^app_metrics_proxy_scan_duration_seconds_bucket\{le="10"\} 5$/m);
    expect(exposition).toMatch(/^app_metrics_proxy_last_scan_timestamp_seconds 1767225650$/m);
  });
});
