import { expect, it } from "vitest";
import { systemClock } from "../../src/model/clock.js";
import { clockOffsets, tellsTheTime } from "../../src/model/clock-offset.js";
import { startProxy } from "./proxies.js";

it("the clock of an origin two hours ahead is known wherever its entries come, and their times are its own", async () => {
  const ahead = { now: () => Date.now() + 7_200_000, monotonic: () => performance.now() };
  const origin = await startProxy("origin", { clock: ahead });
  const relay = await startProxy("relay");
  const reader = await startProxy("reader");
  const entry = origin.put("1", "x 1\n");
  relay.talkTo(origin);
  await relay.replicator.cycle();
  reader.talkTo(relay);
  await reader.replicator.cycle();
  for (const { cache } of [relay, reader]) {
    const [held] = cache.others();
    expect(held?.scrapedAt).toBe(entry.scrapedAt);
    expect(held?.gzip.equals(entry.gzip)).toBe(true);
    expect(tellsTheTime(held!, systemClock)).toBe(false);
    const offset = clockOffsets(cache.others(), systemClock).get("origin") ?? 0;
    expect(Math.abs(offset - 7200)).toBeLessThan(5);
  }
});
