import { describe, expect, it } from "vitest";
import { concatInSteps, inSteps } from "../../src/exposition/steps.js";
import { atOnce } from "../support/at-once.js";
import { measureWork } from "../support/work-meter.js";

describe("concatInSteps", () => {
  it("concatenates", () => {
    const pieces = ["a", "", "bcd"].map((text) => Buffer.from(text));
    expect(atOnce(concatInSteps(pieces, 4)).toString()).toBe("abcd");
  });

  it.each([
    ["long", [Buffer.alloc(3_000_000, "a"), Buffer.alloc(1, "b")]],
    ["short", Array.from({ length: 10_000 }, (_, index) => Buffer.alloc(300, index))],
  ])("copies %s pieces in steps", (_, pieces) => {
    const expected = Buffer.concat(pieces);
    expect(atOnce(concatInSteps(pieces, expected.length)).equals(expected)).toBe(true);
    const { longestStep, total } = measureWork(concatInSteps(pieces, expected.length));
    expect(longestStep).toBeLessThan(total / 8);
  });
});

describe("inSteps", () => {
  it("processes all items in steps", () => {
    const seen: number[] = [];
    const steps = inSteps(Array(1000).keys(), (item) => seen.push(item));
    steps.next();
    expect(seen.length).toBeLessThan(200);
    atOnce(steps);
    expect(seen).toEqual([...Array(1000).keys()]);
  });
});
