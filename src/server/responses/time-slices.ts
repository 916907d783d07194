import { setImmediate as yieldToOthers } from "node:timers/promises";
import type { Steps } from "../../exposition/steps.js";

/** Milliseconds after which other work has its turn. */
const turnMs = 5;

/**
 * Does a work step by step, so that it holds nobody up: a hostile exposition of some megabytes takes seconds.
 *
 * @returns what the work makes; rejects with what it throws.
 */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (let begun = performance.now(); ; ) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - begun < turnMs) continue;
    await yieldToOthers();
    begun = performance.now();
  }
}
