import { gzipSync } from "node:zlib";
import type { Clock } from "../../src/model/clock.js";
import { type Scrape, unpublished } from "../../src/model/scrape.js";

/** Clocks that stand still until they are moved, in seconds. */
export function manualClock(start = Date.UTC(2026, 0, 1)): Clock & { advance(seconds: number): void } {
  let elapsed = 0;
  return {
    now: () => start + elapsed,
    monotonic: () => 1000 + elapsed,
    advance(seconds) {
      elapsed += seconds * 1000;
    },
  };
}

/** An entry that was scraped just now, by the clock that is given. */
export function entryFor(clock: Clock, fields: Partial<Scrape> & { text?: string } = {}): Scrape {
  const { text = "up 1\n", ...rest } = fields;
  return {
    id: "docker:1",
    names: ["web", "shop_web"],
    job: "shop_web",
    replica: "1",
    scope: "replicated",
    stack: "shop",
    origin: "node1",
    gzip: gzipSync(text),
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    size: Buffer.byteLength(text),
    samples: 1,
    url: "http://10.0.0.1:8080/metrics",
    scrapedAt: clock.now(),
    duration: 0.01,
    startedAt: 0,
    measuredAt: clock.monotonic(),
    ...unpublished,
    ...rest,
  };
}
