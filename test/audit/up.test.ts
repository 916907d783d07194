import { expect, it } from "vitest";
import { judgeUp, type UpQuestion } from "./up.js";

const start = 1_000_000;
const times = Array.from({ length: 20 }, (_, index) => start + index * 1000);
const none = { lost: 0, duplicated: 0, wrong: 0, failed: [], examples: [] };
/** Scraping fails from here to there. */
const failing = (time: number) => time >= times[5]! && time <= times[12]!;
const failures = [{ sources: ["a"], from: times[5]! - 100, to: times[12]! + 100 }];
const emissions = times
  .filter((time) => !failing(time))
  .map((begun) => ({ source: "a", begun, ended: begun + 20, complete: true, samples: [] }));

function question(
  samples: readonly (readonly [number, number])[],
  fields: Partial<UpQuestion> = {},
): UpQuestion {
  return {
    emissions,
    stored: new Map([["a", [{ labels: { __name__: "up" }, samples }]]]),
    from: start,
    to: start + 20_000,
    interval: 1000,
    outages: [],
    failures,
    offset: () => 0,
    tolerance: 300,
    ...fields,
  };
}

const correct = times.map((time) => [time + 5, failing(time) ? 0 : 1] as const);

it("accepts one sample per attempt: 1 for a response, 0 for a failure", () => {
  expect(judgeUp(question(correct))).toEqual(none);
  const shifted = correct.map(([time, value]) => [time + 4000, value] as const);
  expect(judgeUp(question(shifted, { offset: () => 4000 }))).toEqual(none);
});

it("finds lost samples, of responses and of failures", () => {
  expect(judgeUp(question(correct.filter((_, index) => index !== 2)))).toMatchObject({ lost: 1, wrong: 0 });
  expect(judgeUp(question(correct.filter(([, value]) => value === 1)))).toMatchObject({ lost: 5, wrong: 0 });
  expect(judgeUp(question([]))).toMatchObject({ lost: 17 });
});

it("finds duplicated and wrong samples", () => {
  const twice = [...correct, [times[1]! + 40, 1] as const];
  expect(judgeUp(question(twice))).toMatchObject({ lost: 0, duplicated: 1, wrong: 0 });
  const up = correct.map(([time, value], index) => [time, index === 8 ? 1 : value] as const);
  expect(judgeUp(question(up))).toMatchObject({ wrong: 1 });
});

it("returns attempts that failed although the source responded", () => {
  const down = correct.map(([time, value], index) => [time, index === 1 ? 0 : value] as const);
  const { failed, ...counts } = judgeUp(question(down));
  expect(counts).toMatchObject({ lost: 0, duplicated: 0, wrong: 0 });
  expect(failed).toHaveLength(1);
  expect(failed[0]!.from).toBeLessThan(times[1]!);
  expect(failed[0]!.to).toBeGreaterThan(times[1]! + 20);
});

it("does not expect attempts of a node that is down, and permits 0 around an outage", () => {
  const outages = [{ sources: ["a"], from: times[5]! - 100, to: times[12]! + 100 }];
  const nothing = correct.filter(([, value]) => value === 1);
  expect(judgeUp(question(nothing, { failures: [], outages }))).toEqual(none);
  expect(judgeUp(question(correct, { failures: [], outages }))).toEqual(none);
});
