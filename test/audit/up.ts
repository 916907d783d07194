import { type Outage, precision, type Question, type StoredSeries } from "./verdict.js";

/** The judgement of `up`. */
export interface UpVerdict {
  /** Attempts without a sample of `up`, or failures that were not stored. */
  readonly lost: number;
  readonly duplicated: number;
  /** 1 without a complete response. */
  readonly wrong: number;
  /** Attempts that failed although the source responded: the proxy ran out of time, and said so. */
  readonly failed: readonly Outage[];
  readonly examples: readonly string[];
}

export interface UpQuestion extends Omit<Question, "stored"> {
  /** By source. */
  readonly stored: ReadonlyMap<string, readonly StoredSeries[]>;
  /** When scraping a source failed, and its node was running: `up` must be 0. */
  readonly failures: readonly Outage[];
  /** How far the clock of the node that scrapes a source is ahead, in milliseconds. */
  readonly offset: (source: string) => number;
  readonly tolerance: number;
}

/** Of an attempt. The next one begins later. */
const maxDuration = 900;

/**
 * Judges `up` of `/federate`: one sample for each attempt, at its time. It must be 1 or 0 for a complete response, and 0
 * in each interval of a failure. 1 without a response is wrong.
 */
export function judgeUp(question: UpQuestion): UpVerdict {
  const { emissions, stored, from, to, interval, outages, failures, offset, tolerance } = question;
  const counts = { lost: 0, duplicated: 0, wrong: 0 };
  const examples: string[] = [];
  const failed: Outage[] = [];
  const note = (kind: keyof typeof counts, text: string, count = 1) => {
    if (counts[kind] < 5) examples.push(`up ${kind}: ${text}`);
    counts[kind] += count;
  };
  const overlaps = (list: readonly Outage[], source: string, start: number, end: number) =>
    list.some((one) => one.sources.includes(source) && start <= one.to && end >= one.from);
  for (const [source, series] of stored) {
    const samples = series
      .flatMap((one) => one.samples)
      .map(([time, value]) => ({ time: time - offset(source), value }))
      .sort((a, b) => a.time - b.time);
    const own = emissions.filter((emission) => emission.source === source).sort((a, b) => a.begun - b.begun);
    const attempts = own.map((emission) => ({ ...emission, matches: 0 }));
    for (const { time, value } of samples) {
      const text = `${source} ${value} @ ${time}`;
      const possible = attempts.filter(
        ({ begun, ended, complete }) => complete && time >= begun - tolerance && time <= ended + precision,
      );
      // Samples and attempts are in ascending order.
      const match = possible.find(({ matches }) => matches === 0) ?? possible[0];
      if (value === 1) {
        if (match === undefined) note("wrong", text);
        else if (++match.matches > 1) note("duplicated", text);
      } else if (!overlaps([...failures, ...outages], source, time, time)) {
        failed.push({ sources: [source], from: time - 100, to: time + maxDuration });
      }
    }
    for (const { begun, ended, complete, matches } of attempts) {
      const excused = overlaps([...outages, ...failed], source, begun, ended);
      const isDue = complete && begun >= from && ended <= to && !excused;
      if (isDue && matches === 0) note("lost", `${source} 1 @ ${begun}`);
    }
    for (const failure of failures.filter(({ sources }) => sources.includes(source))) {
      const down = samples.filter(
        ({ time, value }) => value === 0 && time >= failure.from && time <= failure.to,
      );
      // The first and the last attempt may succeed.
      const due = Math.floor((failure.to - failure.from) / interval) - 2;
      if (down.length < due)
        note("lost", `${source} 0 from ${failure.from} to ${failure.to}`, due - down.length);
    }
  }
  return { ...counts, failed, examples };
}
