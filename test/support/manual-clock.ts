import type { Clock } from "../../src/model/clock.js";

/** Clocks that change only when they are advanced, in seconds. */
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
