/** One sample of a response of a source. */
export interface SentSample {
  /** From `seriesKey`. */
  readonly series: string;
  readonly value: number;
  /** The explicit timestamp in milliseconds, if it has one. */
  readonly timestamp?: number;
}

/** One request that a source received, and its response. Times are in milliseconds since 1970. */
export interface Emission {
  readonly source: string;
  readonly begun: number;
  readonly ended: number;
  /** Whether the client received the whole response. */
  readonly complete: boolean;
  readonly samples: readonly SentSample[];
}

export type Labels = Readonly<Record<string, string>>;

/** A series as the server stored it: times in milliseconds, in ascending order, and values. */
export interface StoredSeries {
  readonly labels: Labels;
  readonly samples: readonly (readonly [time: number, value: number])[];
}

/** When nobody could scrape these sources, in milliseconds since 1970. */
export interface Outage {
  readonly sources: readonly string[];
  readonly from: number;
  readonly to: number;
}

/** What is judged. Times are in milliseconds since 1970, durations in milliseconds. */
export interface Question {
  readonly emissions: readonly Emission[];
  readonly stored: readonly StoredSeries[];
  /** What was emitted from here on, */
  readonly from: number;
  /** until here must be stored. */
  readonly to: number;
  readonly interval: number;
  readonly outages: readonly Outage[];
  /** Values of labels that each stored series of this name must still have, under whatever labels. */
  readonly keptValues?: Readonly<Record<string, readonly string[]>>;
}

export interface Verdict {
  /** What had to be stored: samples, or intervals for `judgePulled`. */
  readonly expected: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly wrong: number;
  /** Samples that are stored more than two intervals after their values were true. */
  readonly late: number;
  /** The largest such difference, in seconds. */
  readonly latest: number;
  /** Label sets in excess of one per series. */
  readonly identities: number;
  /** A few of the problems. */
  readonly examples: readonly string[];
}

/** Labels that the ways to scrape set differently: who scraped what, and where. */
const identityLabel = /^((exported_)*(job|instance)|by|node)$/;
/** Milliseconds by which a timestamp, the begin of a scrape, may be after the response. */
export const precision = 300;
const maxExamples = 6;
const seconds = 1000;

/** Name and labels of a series without its identity, so that what was sent and what was stored can be compared. */
export function seriesKey(labels: Labels): string {
  const entries = Object.entries(labels).filter(([name, value]) => value !== "" && !identityLabel.test(name));
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A sample that may be stored: sent once, or several times with one explicit timestamp. */
interface Candidate {
  readonly source: string;
  readonly sample: SentSample;
  readonly begun: number;
  readonly ended: number;
  readonly complete: boolean;
  matches: number;
}

/** Counts problems and keeps a few examples of each kind. */
class Findings {
  readonly examples: string[] = [];
  readonly #counts = new Map<string, number>();

  add(kind: string, detail: string, count = 1): void {
    const before = this.count(kind);
    this.#counts.set(kind, before + count);
    if (before < maxExamples && count > 0) this.examples.push(`${kind}: ${detail}`);
  }

  count(kind: string): number {
    return this.#counts.get(kind) ?? 0;
  }
}

/**
 * Judges series whose samples have the timestamps of their scrapes (`/federate`).
 *
 * - lost: a sample that a source sent completely, within the time and outside of outages, and that is not stored.
 * - duplicated: a sample that is stored again, at another time or in another series.
 * - wrong: a stored sample whose series or value was never sent, or not around its timestamp (by the clock of the node
 *   that scraped it, at most `tolerance` before the request), or not with exactly this explicit timestamp.
 *
 * @param options.offset how far the clock of the node that scrapes a source is ahead.
 * @param options.leftOut sources of which nothing has to be stored.
 */
export function judgeTimestamped(
  question: Question,
  options: {
    readonly offset: (source: string) => number;
    readonly tolerance: number;
    readonly leftOut?: readonly string[];
  },
): Verdict {
  const { emissions, stored, interval } = question;
  const { offset, tolerance, leftOut = [] } = options;
  const findings = new Findings();
  const candidates = candidatesOf(emissions);
  let latest = 0;
  for (const { labels, samples } of stored) {
    const key = seriesKey(labels);
    const sent = candidates.get(key);
    if (sent === undefined) {
      findings.add("wrong", `series never sent: ${JSON.stringify(labels)}`, samples.length);
      continue;
    }
    noteLostValues(question, labels, samples.length, findings);
    for (const [time, value] of samples) {
      const possible = (sent.get(valueKey(value)) ?? []).filter((candidate) => {
        const { timestamp } = candidate.sample;
        if (timestamp !== undefined) return timestamp === time;
        const own = time - offset(candidate.source);
        return own >= candidate.begun - tolerance && own <= candidate.ended + precision;
      });
      // Times are in ascending order, so that each sample of a value that does not change has the earliest one left.
      const match = possible.find(({ matches }) => matches === 0) ?? possible[0];
      const text = `${key} ${value} @ ${time}`;
      if (match === undefined) findings.add("wrong", text);
      else {
        if (++match.matches > 1) findings.add("duplicated", text);
        const age = match.sample.timestamp === undefined ? time - match.ended : 0;
        latest = Math.max(latest, age);
        if (age > 2 * interval) findings.add("late", `${text}: ${age} ms`);
      }
    }
  }
  let expected = 0;
  for (const byValue of candidates.values()) {
    for (const candidate of [...byValue.values()].flat()) {
      if (!mustBeStored(candidate, question) || leftOut.includes(candidate.source)) continue;
      expected++;
      if (candidate.matches === 0)
        findings.add("lost", `${candidate.sample.series} ${candidate.sample.value} @ ${candidate.begun}`);
    }
  }
  return verdict(findings, stored, expected, latest);
}

/**
 * Judges series that the server scraped itself, from a source or from a cache: `/<name>/metrics`.
 *
 * - lost: an interval without a sample, outside of outages. Counted for the series of `counter` only.
 * - duplicated: samples in excess of one per interval, in one series or in several. One is permitted after each gap,
 *   because a replica that moves is scraped at another moment.
 * - wrong: a stored sample whose series or value was not sent within `maxAge` before it was stored, or an older value
 *   after a newer one.
 */
export function judgePulled(
  question: Question,
  options: { readonly maxAge: number; readonly tolerance: number; readonly counter: string },
): Verdict {
  const { emissions, stored, interval, from, to, outages } = question;
  const { maxAge, tolerance, counter } = options;
  const findings = new Findings();
  const candidates = candidatesOf(emissions);
  const times = new Map<string, number[]>();
  const stamped = new Set<string>();
  let latest = 0;
  for (const { labels, samples } of stored) {
    const key = seriesKey(labels);
    const sent = candidates.get(key);
    if (sent === undefined) {
      findings.add("wrong", `series never sent: ${JSON.stringify(labels)}`, samples.length);
      continue;
    }
    noteLostValues(question, labels, samples.length, findings);
    times.set(key, [...(times.get(key) ?? []), ...samples.map(([time]) => time)]);
    let before: Candidate | undefined;
    for (const [time, value] of samples) {
      const text = `${key} ${value} @ ${time}`;
      const match = closest(sent.get(valueKey(value)) ?? [], ({ sample, begun, ended }) => {
        if (sample.timestamp !== undefined) return sample.timestamp === time ? 0 : undefined;
        return begun <= time + tolerance && time - ended <= maxAge ? Math.abs(time - ended) : undefined;
      });
      if (match?.sample.timestamp !== undefined) stamped.add(key);
      const age = match === undefined || match.sample.timestamp !== undefined ? 0 : time - match.ended;
      latest = Math.max(latest, age);
      if (match === undefined) findings.add("wrong", text);
      else if (before !== undefined && match.ended < before.ended) findings.add("wrong", `older: ${text}`);
      else if (age > 2 * interval) findings.add("late", `${text}: ${age} ms`);
      before = match ?? before;
    }
  }
  let expected = 0;
  for (const [key, sent] of candidates) {
    const sorted = (times.get(key) ?? []).sort((a, b) => a - b);
    if (!stamped.has(key)) {
      const excess = segmentsOf(sorted, 1.5 * interval).map((segment) => {
        const span = segment.at(-1)! - segment[0]!;
        return Math.max(0, segment.length - (Math.round(span / interval) + 1) - 1);
      });
      for (const count of excess) if (count > 0) findings.add("duplicated", `${count} of ${key}`, count);
    }
    const [[first]] = [...sent.values()] as [[Candidate]];
    if (!key.includes(JSON.stringify(counter))) continue;
    const own = outages.filter(({ sources }) => sources.includes(first.source));
    expected += Math.round((to - from) / interval);
    for (const gap of gapsOf(sorted, from, to)) {
      const missing = Math.round((gap.to - gap.from) / interval) - 1;
      if (missing > 0 && !overlaps(own, gap))
        findings.add("lost", `${key} ${gap.from} to ${gap.to}`, missing);
    }
  }
  return verdict(findings, stored, expected, latest);
}

/**
 * The intervals in which a source was not requested, outside of outages: what the scraper missed by itself.
 *
 * @param sources those that are scraped.
 */
export function countUnscraped(
  { emissions, from, to, interval, outages }: Omit<Question, "stored">,
  sources: readonly string[],
): number {
  let missing = 0;
  for (const source of sources) {
    const times = emissions.filter((emission) => emission.source === source).map(({ begun }) => begun);
    const own = outages.filter((outage) => outage.sources.includes(source));
    for (const gap of gapsOf(
      times.sort((a, b) => a - b),
      from,
      to,
    ))
      if (!overlaps(own, gap)) missing += Math.max(0, Math.round((gap.to - gap.from) / interval) - 1);
  }
  return missing;
}

/** By series and value. Repeated samples with one explicit timestamp are one. */
function candidatesOf(emissions: readonly Emission[]): Map<string, Map<string, Candidate[]>> {
  const result = new Map<string, Map<string, Candidate[]>>();
  for (const { source, begun, ended, complete, samples } of emissions) {
    for (const sample of samples) {
      const byValue = result.get(sample.series) ?? new Map<string, Candidate[]>();
      result.set(sample.series, byValue);
      const same = byValue.get(valueKey(sample.value)) ?? [];
      byValue.set(valueKey(sample.value), same);
      const { timestamp } = sample;
      if (timestamp === undefined || !same.some((other) => other.sample.timestamp === timestamp))
        same.push({ source, sample, begun, ended, complete, matches: 0 });
    }
  }
  return result;
}

function valueKey(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function mustBeStored({ source, begun, ended, complete }: Candidate, question: Question): boolean {
  const { from, to, outages } = question;
  const own = outages.filter(({ sources }) => sources.includes(source));
  return complete && begun >= from && ended <= to && !overlaps(own, { from: begun, to: ended });
}

function noteLostValues({ keptValues = {} }: Question, labels: Labels, count: number, findings: Findings) {
  const values = Object.values(labels);
  const missing = (keptValues[labels["__name__"]!] ?? []).filter((value) => !values.includes(value));
  if (missing.length > 0)
    findings.add("wrong", `label values ${missing.join(", ")} lost: ${JSON.stringify(labels)}`, count);
}

function closest(
  candidates: readonly Candidate[],
  distanceOf: (candidate: Candidate) => number | undefined,
): Candidate | undefined {
  let best: Candidate | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = distanceOf(candidate);
    if (distance !== undefined && distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Splits ascending times where two are further apart than `gap`. */
function segmentsOf(times: readonly number[], gap: number): number[][] {
  const segments: number[][] = [];
  for (const time of times) {
    const last = segments.at(-1)?.at(-1);
    if (last === undefined || time - last > gap) segments.push([time]);
    else segments.at(-1)!.push(time);
  }
  return segments;
}

/** The times between events, within a period; the ends of the period count as events. */
function gapsOf(times: readonly number[], from: number, to: number): { from: number; to: number }[] {
  const within = [from, ...times.filter((time) => time > from && time < to), to];
  return within.slice(1).map((time, index) => ({ from: within[index]!, to: time }));
}

function overlaps(outages: readonly Outage[], { from, to }: { from: number; to: number }): boolean {
  return outages.some((outage) => from <= outage.to && to >= outage.from);
}

function verdict(
  findings: Findings,
  stored: readonly StoredSeries[],
  expected: number,
  latest: number,
): Verdict {
  const identities = new Map<string, Set<string>>();
  for (const { labels } of stored) {
    const key = seriesKey(labels);
    const all = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
    identities.set(key, (identities.get(key) ?? new Set()).add(all));
  }
  return {
    expected,
    lost: findings.count("lost"),
    duplicated: findings.count("duplicated"),
    wrong: findings.count("wrong"),
    late: findings.count("late"),
    latest: latest / seconds,
    identities: [...identities.values()].reduce((sum, { size }) => sum + size - 1, 0),
    examples: findings.examples,
  };
}
