import type { Format } from "../../src/exposition/format.js";
import { type Merged, merge as mergeInSteps, toText as toTextInSteps } from "../../src/exposition/merge.js";
import type { Source } from "../../src/exposition/source.js";
import type { Steps } from "../../src/exposition/steps.js";

/** Runs cooperative work to its end without yielding. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** `merge` without yielding. */
export const merge = (sources: readonly Source[], into: Format): Merged =>
  atOnce(mergeInSteps(sources, into));

/** `toText` without yielding. */
export const toText = (bytes: Buffer): Buffer => atOnce(toTextInSteps(bytes));
