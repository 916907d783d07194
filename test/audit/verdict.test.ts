import { describe, expect, it } from "vitest";
import {
  countUnscraped,
  type Emission,
  judgePulled,
  judgeTimestamped,
  type Labels,
  type Question,
  type StoredSeries,
  seriesKey,
} from "./verdict.js";

const start = 1_000_000;
const interval = 1000;
const count = 20;
const labels = { __name__: "audit_total", src: "a" };
const series = seriesKey(labels);
const times = Array.from({ length: count }, (_, index) => start + index * interval);

/** A source that sends its time as value, every second. */
const emissions = times.map((time) => emission(time));

function emission(begun: number, fields: Partial<Emission> = {}): Emission {
  const samples = [{ series, value: begun }];
  return { source: "a", begun, ended: begun + 20, complete: true, samples, ...fields };
}

function question(stored: readonly StoredSeries[], fields: Partial<Question> = {}): Question {
  const [from, to] = [start, start + count * interval];
  return { emissions, stored, from, to, interval, outages: [], ...fields };
}

/** A series with the samples of these times, stored with a delay. */
function seriesOf(
  of: readonly number[],
  delay = 0,
  own: Labels = { job: "one", instance: "one.1" },
): StoredSeries {
  return { labels: { ...labels, ...own }, samples: of.map((time) => [time + delay, time] as const) };
}

const none = { lost: 0, duplicated: 0, wrong: 0, late: 0, identities: 0 };
const outage = { sources: ["a"], from: times[5]! - 100, to: times[8]! + 100 };

describe("the key of a series", () => {
  it("does not depend on the order of labels, on empty labels, or on who scraped it", () => {
    const stored = { instance: "x", src: "a", job: "y", exported_instance: "z", __name__: "audit_total" };
    expect(seriesKey({ ...stored, empty: "", node: "n", exported_exported_instance: "w" })).toBe(series);
    expect(seriesKey({ ...labels, le: "0.5" })).not.toBe(series);
  });
});

describe("samples with the timestamps of their scrapes", () => {
  const options = { offset: () => 0, tolerance: 300 };

  it("are all stored once", () => {
    const verdict = judgeTimestamped(question([seriesOf(times)]), options);
    expect(verdict).toMatchObject({ ...none, expected: count, latest: 0 });
  });

  it("are lost if one is not stored, unless it was incomplete, in an outage, or of a node that is left out", () => {
    const stored = [seriesOf(times.filter((_, index) => index !== 6 && index !== 12))];
    expect(judgeTimestamped(question(stored), options)).toMatchObject({ ...none, lost: 2 });
    const incomplete = times.map((time, index) => emission(time, { complete: index !== 12 }));
    const excused = question(stored, { emissions: incomplete, outages: [outage] });
    expect(judgeTimestamped(excused, options)).toMatchObject({ ...none, expected: count - 5 });
    const others = { ...outage, sources: ["b"] };
    expect(judgeTimestamped(question(stored, { outages: [others] }), options)).toMatchObject({ lost: 2 });
    expect(judgeTimestamped(question([]), { ...options, leftOut: ["a"] })).toMatchObject({
      ...none,
      expected: 0,
    });
  });

  it("are not expected before the period and after it", () => {
    const stored = [seriesOf(times.slice(3, -3))];
    const within = question(stored, { from: times[3]!, to: times.at(-3)! });
    expect(judgeTimestamped(within, options)).toMatchObject({ ...none, expected: count - 6 });
  });

  it("are duplicated in a second series, and at a second time", () => {
    const second = seriesOf(times, 0, { job: "one", instance: "one.2" });
    const twice = judgeTimestamped(question([seriesOf(times), second]), options);
    expect(twice).toMatchObject({ ...none, duplicated: count, identities: 1 });
    const again = {
      ...seriesOf(times),
      samples: times.flatMap((time) => [[time, time] as const, [time + 200, time] as const]),
    };
    expect(judgeTimestamped(question([again]), options)).toMatchObject({ ...none, duplicated: count });
  });

  it("are wrong with a value or a series that was not sent, or at another time", () => {
    const [first, ...rest] = times;
    const invented = { ...seriesOf(rest), samples: [[first!, 1] as const, ...seriesOf(rest).samples] };
    expect(judgeTimestamped(question([invented]), options)).toMatchObject({ ...none, wrong: 1, lost: 1 });
    const other = { ...seriesOf(times), labels: { ...labels, src: "b" } };
    expect(judgeTimestamped(question([other]), options)).toMatchObject({ wrong: count, lost: count });
    expect(judgeTimestamped(question([seriesOf(times, 2000)]), options)).toMatchObject({ wrong: count });
  });

  it("have the time of the clock of their node", () => {
    const ahead = { ...options, offset: () => 4000 };
    const verdict = judgeTimestamped(question([seriesOf(times, 4000)]), ahead);
    expect(verdict).toMatchObject({ ...none, late: count });
    expect(verdict.latest).toBeCloseTo(3.98);
    expect(judgeTimestamped(question([seriesOf(times)]), ahead)).toMatchObject({ wrong: count, lost: count });
  });

  it("have exactly their explicit timestamp, and are one sample as long as it does not change", () => {
    const stamped = (time: number) => [{ series, value: 7, timestamp: time - (time % 5000) }];
    const sent = times.map((time) => emission(time, { samples: stamped(time) }));
    const stamps = [...new Set(times.map((time) => time - (time % 5000)))];
    const stored = (delay: number) => ({
      ...seriesOf([]),
      samples: stamps.map((time) => [time + delay, 7] as const),
    });
    const verdict = judgeTimestamped(question([stored(0)], { emissions: sent }), options);
    expect(verdict).toMatchObject({ ...none, expected: stamps.length });
    expect(judgeTimestamped(question([stored(1)], { emissions: sent }), options)).toMatchObject({
      wrong: stamps.length,
    });
  });

  it("keep unusual values", () => {
    const values = [Number.NaN, -0, Number.POSITIVE_INFINITY, 5e-324];
    const sent = times.map((time, index) =>
      emission(time, { samples: [{ series, value: values[index % 4]! }] }),
    );
    const stored = (change: (value: number) => number) => [
      { ...seriesOf([]), samples: times.map((time, index) => [time, change(values[index % 4]!)] as const) },
    ];
    expect(
      judgeTimestamped(
        question(
          stored((value) => value),
          { emissions: sent },
        ),
        options,
      ),
    ).toMatchObject(none);
    // -0 becomes 0.
    expect(
      judgeTimestamped(
        question(
          stored((value) => value + 0),
          { emissions: sent },
        ),
        options,
      ),
    ).toMatchObject({
      wrong: count / 4,
    });
  });

  it("keep the values of their own labels", () => {
    const kept = { keptValues: { audit_total: ["mine"] } };
    const own = { job: "one", instance: "one.1", exported_instance: "mine" };
    expect(judgeTimestamped(question([seriesOf(times, 0, own)], kept), options)).toMatchObject(none);
    expect(judgeTimestamped(question([seriesOf(times)], kept), options)).toMatchObject({ wrong: count });
  });

  it("are reported with a few examples", () => {
    const { examples } = judgeTimestamped(question([]), options);
    expect(examples.length).toBeLessThan(10);
    expect(examples[0]).toContain("lost");
  });
});

describe("samples that the server scraped itself", () => {
  const options = { maxAge: 4000, tolerance: 300, counter: "audit_total" };

  it("are stored once per interval", () => {
    const verdict = judgePulled(question([seriesOf(times, 400)]), options);
    expect(verdict).toMatchObject({ ...none, expected: count });
    expect(verdict.latest).toBeCloseTo(0.38);
  });

  it("may show one scrape twice: a cache that is not newer yet", () => {
    const samples = times.map((time, index) => [time + 400, times[index - (index % 2)]!] as const);
    expect(judgePulled(question([{ ...seriesOf([]), samples }]), options)).toMatchObject(none);
  });

  it("are lost with each interval without a sample, outside of outages", () => {
    const stored = [seriesOf(times.filter((_, index) => index < 6 || index > 8))];
    expect(judgePulled(question(stored), options)).toMatchObject({ ...none, lost: 3 });
    const excused = { ...outage, to: times[9]! };
    expect(judgePulled(question(stored, { outages: [excused] }), options)).toMatchObject(none);
  });

  it("are duplicated in a second series, and by a second target in the same series", () => {
    const second = seriesOf(times, 500, { job: "one", instance: "one.2" });
    const twice = judgePulled(question([seriesOf(times, 100), second]), options);
    expect(twice).toMatchObject({ ...none, duplicated: count - 1, identities: 1 });
    const samples = times.flatMap((time) => [[time + 100, time] as const, [time + 600, time] as const]);
    expect(judgePulled(question([{ ...seriesOf([]), samples }]), options).duplicated).toBe(count - 2);
  });

  it("may be stored at another moment after a move", () => {
    const moved = times.map((time, index) => [time + (index < 10 ? 800 : 100), time] as const);
    expect(judgePulled(question([{ ...seriesOf([]), samples: moved }]), options)).toMatchObject(none);
  });

  it("are late after two intervals, and wrong if nobody may serve them any more", () => {
    expect(judgePulled(question([seriesOf(times, 3000)]), options)).toMatchObject({ late: count, wrong: 0 });
    expect(judgePulled(question([seriesOf(times, 6000)]), options)).toMatchObject({ late: 0, wrong: count });
  });

  it("are wrong if an older value follows a newer one", () => {
    const samples = times.map((time, index) => [time + 400, times[index === 9 ? 7 : index]!] as const);
    expect(judgePulled(question([{ ...seriesOf([]), samples }]), options)).toMatchObject({
      ...none,
      wrong: 1,
      late: 0,
    });
  });

  it("have their explicit timestamps, which count neither as duplicated nor as late", () => {
    const sent = times.map((time) =>
      emission(time, { samples: [{ series, value: time, timestamp: time - 300 }] }),
    );
    const verdict = judgePulled(question([seriesOf(times, -300)], { emissions: sent }), options);
    expect(verdict).toMatchObject(none);
  });
});

describe("what was not scraped", () => {
  it("is each interval in which a source received no request, outside of outages", () => {
    const some = emissions.filter((_, index) => index !== 6 && index !== 12);
    const asked = { ...question([]), emissions: some };
    expect(countUnscraped(asked, ["a"])).toBe(2);
    expect(countUnscraped({ ...asked, outages: [outage] }, ["a"])).toBe(1);
    expect(countUnscraped({ ...asked, emissions }, ["a", "b"])).toBe(count - 1);
  });
});
