import type { Outage } from "./verdict.js";

/** The rate of one source at each time (milliseconds since 1970), as the server computed it. */
export type Rates = ReadonlyMap<number, number>;

export interface RateQuestion {
  /** By source: through the proxies, and scraped directly by the same server. */
  readonly rates: ReadonlyMap<string, Rates>;
  readonly direct: ReadonlyMap<string, Rates>;
  /** The true rate of each source per second. */
  readonly truth: ReadonlyMap<string, number>;
  /** When to compare, in milliseconds since 1970. */
  readonly times: readonly number[];
  /** The range of rate(), in milliseconds. */
  readonly range: number;
  readonly outages: readonly Outage[];
  /** How far the timestamps of a source are ahead, in milliseconds. */
  readonly offset?: (source: string) => number;
}

/** Milliseconds around an outage in which the first and last samples are missing on a busy machine. */
const margin = 3000;

export interface RateErrors {
  /** The largest relative error of one source. */
  readonly single: number;
  /** The largest relative error of the sum over all sources. */
  readonly sum: number;
  /** How many sums were compared. */
  readonly compared: number;
  /** The time and source of the largest errors. */
  readonly examples: readonly string[];
}

/**
 * The errors of rate() and of sum(rate()), compared with direct scraping or with the truth, whichever is closer: a
 * counter that restarts is wrong for everybody, and what direct scraping missed may be right. Sources are left out
 * where their range begins or ends in an outage, because rate() extrapolates over the ends of its range. A source
 * without a rate counts as 0.
 */
export function rateErrors({
  rates,
  direct,
  truth,
  times,
  range,
  outages,
  offset = () => 0,
}: RateQuestion): RateErrors {
  let [single, sum, compared] = [0, 0, 0];
  let [worstSource, worstSum] = ["", ""];
  for (const time of times) {
    const totals = { rate: 0, direct: 0, truth: 0 };
    for (const [source, trueRate] of truth) {
      if (isOut(outages, source, time) || isOut(outages, source, time - range)) continue;
      const rate = rates.get(source)?.get(time + offset(source)) ?? 0;
      const reference = direct.get(source)?.get(time) ?? trueRate;
      totals.rate += rate;
      totals.direct += reference;
      totals.truth += trueRate;
      const error = errorOf(rate, reference, trueRate);
      if (error > single)
        [single, worstSource] = [error, `rate of ${source} @ ${time}: ${rate}, not ${reference}`];
    }
    if (totals.truth === 0) continue;
    compared++;
    const error = errorOf(totals.rate, totals.direct, totals.truth);
    if (error > sum) [sum, worstSum] = [error, `sum @ ${time}: ${totals.rate}, not ${totals.direct}`];
  }
  return { single, sum, compared, examples: [worstSource, worstSum].filter((text) => text !== "") };
}

function errorOf(rate: number, ...references: number[]): number {
  return Math.min(...references.map((reference) => (reference === 0 ? 1 : Math.abs(rate / reference - 1))));
}

function isOut(outages: readonly Outage[], source: string, time: number): boolean {
  return outages.some(
    ({ sources, from, to }) => sources.includes(source) && time >= from - margin && time <= to + margin,
  );
}
