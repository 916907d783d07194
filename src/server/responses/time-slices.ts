import { setImmediate as nextTurn } from "node:timers/promises";
import type { Steps } from "../../exposition/sample-copier.js";

const sliceMs = 5;

/** Divides long work into slices of 5 ms, so that other work can run in between. */
export class TimeSlices {
  #end = performance.now() + sliceMs;

  /** Whether the work should yield now. */
  get over(): boolean {
    return performance.now() >= this.#end;
  }

  /** Lets other work run, then begins the next slice. */
  async yield(): Promise<void> {
    await nextTurn();
    this.#end = performance.now() + sliceMs;
  }
}

/**
 * Runs work step by step and yields between slices: a hostile exposition of a few megabytes takes seconds.
 *
 * @returns what the work returns; rejects with what it throws.
 */
export async function runInSlices<T>(steps: Steps<T>): Promise<T> {
  const slices = new TimeSlices();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (slices.over) await slices.yield();
  }
}
