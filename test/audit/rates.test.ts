import { describe, expect, it } from "vitest";
import { rateErrors } from "./rates.js";

const times = [100_000, 101_000, 102_000];
const range = 60_000;
const truth = new Map([
  ["a", 100],
  ["b", 300],
]);

/** The rates of sources at all times, or at those of a shifted clock. */
function rates(values: Record<string, number>, shift = 0) {
  return new Map(
    Object.entries(values).map(([source, value]) => [
      source,
      new Map(times.map((time) => [time + shift, value])),
    ]),
  );
}

const exact = rates({ a: 100, b: 300 });
const common = { direct: exact, truth, times, range, outages: [] };

describe("the errors of rates", () => {
  it("are zero for rates as in direct scraping, or as in truth", () => {
    expect(rateErrors({ ...common, rates: exact })).toMatchObject({ single: 0, sum: 0, compared: 3 });
    const restarted = rates({ a: 80, b: 300 });
    expect(rateErrors({ ...common, rates: restarted, direct: restarted })).toMatchObject({
      single: 0,
      sum: 0,
    });
    expect(rateErrors({ ...common, rates: exact, direct: restarted })).toMatchObject({ single: 0, sum: 0 });
  });

  it("are the largest ones: of one source, and of the sum", () => {
    const errors = rateErrors({ ...common, rates: rates({ a: 110, b: 300 }) });
    expect(errors.single).toBeCloseTo(0.1);
    expect(errors.sum).toBeCloseTo(0.025);
    expect(errors.examples[0]).toContain("rate of a");
  });

  it("count a source without a rate as 0", () => {
    const errors = rateErrors({ ...common, rates: rates({ b: 300 }) });
    expect(errors).toMatchObject({ single: 1, sum: 0.25 });
  });

  it("leave out a source where its range begins or ends in an outage", () => {
    const missing = rates({ b: 300 });
    for (const at of [times[0]!, times[0]! - range]) {
      const outages = [{ sources: ["a"], from: at, to: at + 2000 }];
      expect(rateErrors({ ...common, rates: missing, outages })).toMatchObject({ single: 0, sum: 0 });
    }
    const inside = [{ sources: ["a"], from: times[0]! - 30_000, to: times[0]! - 10_000 }];
    expect(rateErrors({ ...common, rates: missing, outages: inside })).toMatchObject({ single: 1 });
    const all = [{ sources: ["a", "b"], from: 0, to: times[2]! }];
    expect(rateErrors({ ...common, rates: missing, outages: all })).toMatchObject({ compared: 0 });
  });

  it("are computed at the time of the node's own clock", () => {
    const shifted = new Map([...rates({ a: 100 }), ...rates({ b: 300 }, 300_000)]);
    const offset = (source: string) => (source === "b" ? 300_000 : 0);
    expect(rateErrors({ ...common, rates: shifted, offset })).toMatchObject({ single: 0, sum: 0 });
  });
});
