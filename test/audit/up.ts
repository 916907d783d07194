import type { Question, StoredSeries } from "./verdict.js";

/** The judgement of `up`. */
export interface UpVerdict {
  /** Attempts without a sample of `up`, or failures that were not stored. */
  readonly lost: number;
  readonly duplicated: number;
  /** Samples with the wrong value, or without an attempt. */
  readonly wrong: number;
  readonly examples: readonly string[];
}

export interface UpQuestion extends Omit<Question, "stored" | "outages"> {
  /** By source. */
  readonly stored: ReadonlyMap<string, readonly StoredSeries[]>;
  /** When nobody could scrape a source. */
  readonly outages: Question["outages"];
  /** When scraping a source failed, and its node was running: `up` must be 0. */
  readonly failures: Question["outages"];
  /** How far the clock of the node that scrapes a source is ahead, in milliseconds. */
  readonly offset: (source: string) => number;
  readonly tolerance: number;
}

/**
 * Judges `up` of `/federate`: one sample for each attempt, at its time. It must be 1 for a complete response, and 0 in
 * each interval of a failure. 0 is wrong outside of failures and outages; 1 without a response is always wrong.
 */
export function judgeUp(question: UpQuestion): UpVerdict {
  const { emissions, stored, from, to, interval, outages, failures, offset, tolerance } = question;
  const counts = { lost: 0, duplicated: 0, wrong: 0 };
  const examples: string[] = [];
  const note = (kind: keyof typeof counts, text: string, count = 1) => {
    if (counts[kind] < 5) examples.push(`up ${kind}: ${text}`);
    counts[kind] += count;
  };
  const overlaps = (list: Question["outages"], source: string, start: number, end: number) =>
    list.some((one) => one.sources.includes(source) && start <= one.to && end >= one.from);
  for (const [source, series] of stored) {
    const samples = series
      .flatMap((one) => one.samples)
      .map(([time, value]) => ({ time: time - offset(source), value }));
    const own = emissions.filter((emission) => emission.source === source);
    const attempts = own.map((emission) => ({ ...emission, matches: 0 }));
    for (const { time, value } of samples) {
      const text = `${source} ${value} @ ${time}`;
      const match = attempts
        .filter(({ begun, ended }) => time >= begun - tolerance && time <= ended + tolerance)
        .sort((a, b) => Math.abs(a.begun - time) - Math.abs(b.begun - time))[0];
      if (value === 1) {
        if (match?.complete !== true) note("wrong", text);
        else if (++match.matches > 1) note("duplicated", text);
      } else if (match?.complete !== false && !overlaps([...failures, ...outages], source, time, time)) {
        note("wrong", text);
      }
    }
    for (const { begun, ended, complete, matches } of attempts) {
      const isDue = complete && begun >= from && ended <= to && !overlaps(outages, source, begun, ended);
      if (isDue && matches === 0) note("lost", `${source} 1 @ ${begun}`);
    }
    for (const failure of failures.filter(({ sources }) => sources.includes(source))) {
      const failed = samples.filter(
        ({ time, value }) => value === 0 && time >= failure.from && time <= failure.to,
      );
      // The first and the last attempt may succeed.
      const due = Math.floor((failure.to - failure.from) / interval) - 2;
      if (failed.length < due)
        note("lost", `${source} 0 from ${failure.from} to ${failure.to}`, due - failed.length);
    }
  }
  return { ...counts, examples };
}
