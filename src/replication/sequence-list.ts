import { z } from "zod";

/**
 * Ascending numbers, as they travel: runs of `[difference to the one before, how often]`, so that a thousand
 * neighbours take no more than one.
 */
export type SequenceList = [difference: number, times: number][];

/** Checked by hand: what comes may be hundreds of thousands of runs, and zod takes seconds for as many. */
export const sequenceListSchema = z.custom<SequenceList>(
  (list) =>
    Array.isArray(list) &&
    list.every((run) => Array.isArray(run) && run.length === 2 && run.every(isPositive)),
);

function isPositive(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** @param sequences positive whole numbers, ascending, each once. */
export function writeSequences(sequences: readonly number[]): SequenceList {
  const runs: SequenceList = [];
  let before = 0;
  for (const sequence of sequences) {
    const difference = sequence - before;
    const last = runs.at(-1);
    if (last !== undefined && last[0] === difference) last[1]++;
    else runs.push([difference, 1]);
    before = sequence;
  }
  return runs;
}

/**
 * @param most how many numbers are taken.
 * @returns undefined where there are more, or such that are too large to be told apart.
 */
export function readSequences(list: SequenceList, most: number): Set<number> | undefined {
  const sequences = new Set<number>();
  let sequence = 0;
  for (const [difference, times] of list) {
    if (sequences.size + times > most) return undefined;
    // Beyond that a number plus one is the same number: a list would go on and on and never come to `most`.
    if (sequence + difference * times > Number.MAX_SAFE_INTEGER) return undefined;
    for (let time = 0; time < times; time++) {
      sequence += difference;
      sequences.add(sequence);
    }
  }
  return sequences;
}

/** How many numbers a list stands for. */
export function countSequences(list: SequenceList): number {
  return list.reduce((sum, [, times]) => sum + times, 0);
}
