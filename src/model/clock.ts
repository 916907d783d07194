/**
 * Two clocks: `now` is the wall's, in milliseconds since the epoch, and may jump; `monotonic` counts
 * milliseconds from some moment on and never goes back. Ages are measured with the second.
 */
export interface Clock {
  now(): number;
  monotonic(): number;
}

/** The machine's own clocks. */
export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
