/**
 * The wall clock `now` returns milliseconds since the epoch and may jump. The clock `monotonic` returns milliseconds
 * since an arbitrary start and never goes back; use it for ages and timeouts.
 */
export interface Clock {
  now(): number;
  monotonic(): number;
}

/** The clocks of the system. */
export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
