import { z } from "zod";
import { isNumber } from "../model/number.js";
import { type Attempt, succeeded } from "../model/publication.js";
import { contentType, milliseconds, plainText } from "./schema.js";
import { isTargetKey } from "./target-key.js";

/*
 * The attempts of a batch as columns: an unchanged cycle of 1,000 targets takes about 15 kB compressed, 6 kB of it for
 * the target keys. Target keys and scrape numbers are stored as differences from the previous value.
 */

/** The most attempts of one batch. */
export const maxAttempts = 5000;

/** Checked without zod's array schema, which is too slow for columns of thousands of numbers. */
const column = z.custom<number[]>(
  (value) => Array.isArray(value) && value.length <= maxAttempts && value.every(Number.isFinite),
);

export const columnsSchema = z.object({
  /** Differences of the targets' keys. */
  target: column,
  /** Milliseconds before publication. */
  ago: column,
  /** Milliseconds. */
  duration: column,
  /** Indexes into `reasons`, or -1 for a success. */
  failure: column,
  reasons: z.array(plainText(1000)).max(maxAttempts),
  /** The columns below have one value for each success. Differences of the scrapes' numbers, in thousands. */
  scrape: column,
  scrapeRest: column,
  size: column,
  samples: column,
  /** Indexes into `types`. */
  type: column,
  types: z.array(contentType).max(maxAttempts),
});
export type AttemptColumns = z.infer<typeof columnsSchema>;

/** @param attempts sorted by target key, which makes the columns small. */
export function writeColumns(attempts: readonly Attempt[]): AttemptColumns {
  const reasons = new Map<string, number>();
  const types = new Map<string, number>();
  const good = attempts.filter(succeeded).map(({ outcome }) => outcome);
  return {
    target: differences(attempts.map(({ target }) => target)),
    ago: attempts.map(({ ago }) => Math.max(0, Math.round(ago))),
    duration: attempts.map(({ duration }) => Math.max(0, Math.round(duration * 1000))),
    failure: attempts.map((attempt) =>
      "reason" in attempt.outcome ? indexOf(reasons, attempt.outcome.reason) : -1,
    ),
    reasons: [...reasons.keys()],
    scrape: differences(good.map(({ number }) => Math.floor(number / 1000))),
    scrapeRest: good.map(({ number }) => number % 1000),
    size: good.map(({ size }) => size),
    samples: good.map(({ samples }) => samples),
    type: good.map(({ contentType }) => indexOf(types, contentType)),
    types: [...types.keys()],
  };
}

/** @returns undefined if the columns are inconsistent or contain values out of range. */
export function readColumns(columns: AttemptColumns): Attempt[] | undefined {
  const { ago, duration, failure, reasons, size, samples, type, types } = columns;
  const targets = sums(columns.target);
  const scrapes = sums(columns.scrape).map(
    (thousands, row) => thousands * 1000 + (columns.scrapeRest[row] ?? Number.NaN),
  );
  const attempts: Attempt[] = [];
  let good = 0;
  for (let row = 0; row < targets.length; row++) {
    const reason = failure[row] === -1 ? undefined : reasons[failure[row] ?? Number.NaN];
    let outcome: Attempt["outcome"];
    if (reason !== undefined) outcome = { reason };
    else {
      const contentType = types[type[good] ?? Number.NaN];
      const info = { number: scrapes[good]!, size: size[good]!, samples: samples[good]! };
      if (failure[row] !== -1 || contentType === undefined || !isNumber(info.number)) return undefined;
      if (!isCount(info.size) || !isCount(info.samples)) return undefined;
      outcome = { ...info, contentType };
      good++;
    }
    const attempt = { target: targets[row]!, ago: ago[row]!, duration: duration[row]! / 1000, outcome };
    if (!isTargetKey(attempt.target) || !inRange(attempt.ago) || !inRange(attempt.duration)) return undefined;
    attempts.push(attempt);
  }
  const isWhole =
    [ago, duration, failure].every(({ length }) => length === targets.length) &&
    [scrapes, columns.scrapeRest, size, samples, type].every(({ length }) => length === good);
  return isWhole ? attempts : undefined;
}

function differences(values: readonly number[]): number[] {
  return values.map((value, index) => value - (index === 0 ? 0 : values[index - 1]!));
}

function sums(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum;
  });
}

function indexOf(known: Map<string, number>, text: string): number {
  const index = known.get(text) ?? known.size;
  known.set(text, index);
  return index;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function inRange(value: number): boolean {
  return milliseconds.safeParse(value).success;
}
