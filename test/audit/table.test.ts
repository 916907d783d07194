import { describe, expect, it } from "vitest";
import type { Row } from "./scenario.js";
import { formatTable, sampleViolations, violations } from "./table.js";
import type { Verdict } from "./verdict.js";

function row(style: Row["style"], verdict: Partial<Verdict> = {}, fields: Partial<Row> = {}): Row {
  const none = {
    expected: 100,
    lost: 0,
    duplicated: 0,
    wrong: 0,
    late: 0,
    latest: 0.5,
    identities: 0,
    examples: [],
  };
  return {
    fault: "none",
    style,
    server: "2.42",
    verdict: { ...none, ...verdict },
    intervals: 1000,
    unscraped: 0,
    rates: { single: 0.1, sum: 0.02, compared: 10, examples: [] },
    ...fields,
  };
}

describe("the requirements", () => {
  it("for federate: nothing lost, duplicated or wrong", () => {
    expect(violations(row("federate", { late: 9, identities: 2 }))).toEqual([]);
    const found = violations(row("federate", { lost: 1, duplicated: 2, wrong: 3 }));
    expect(found).toEqual(["1 lost", "2 duplicated", "3 wrong"]);
  });

  it("for federate: the same for up", () => {
    const up = { lost: 1, duplicated: 0, wrong: 0, failed: [], examples: [] };
    expect(violations(row("federate", {}, { up }))).toEqual(["1 of up lost"]);
  });

  it("for http-sd and static: nothing duplicated", () => {
    for (const style of ["http-sd", "static"] as const) {
      expect(violations(row(style, { lost: 1, wrong: 1 }))).toEqual([]);
      expect(violations(row(style, { duplicated: 2 }))).toEqual(["2 duplicated"]);
    }
  });

  it("for all styles: sum(rate()) within 2 %, and something to compare", () => {
    const rates = { single: 0, sum: 0.021, compared: 10, examples: [] };
    expect(violations(row("static", {}, { rates }))).toEqual(["sum(rate()) 2.10 % off"]);
    expect(violations(row("static", { expected: 0 }, { rates: { ...rates, sum: 0, compared: 0 } }))).toEqual([
      "nothing expected",
      "no rates compared",
    ]);
  });

  it("for a clock that is too far off: left out and reported", () => {
    expect(violations(row("federate", {}, { leftOut: true }))).toEqual([]);
    expect(violations(row("federate", {}, { leftOut: false }))).toHaveLength(1);
  });

  it("for all styles: targets are scraped in every interval", () => {
    expect(violations(row("http-sd", {}, { unscraped: 20 }))).toEqual([]);
    expect(violations(row("http-sd", {}, { unscraped: 21 }))).toEqual(["21 of 1000 intervals not scraped"]);
  });

  it("for samples do not depend on the load of the machine", () => {
    const rates = { single: 1, sum: 1, compared: 0, examples: [] };
    expect(sampleViolations(row("federate", {}, { rates, unscraped: 500 }))).toEqual([]);
    expect(sampleViolations(row("federate", { lost: 1 }))).toEqual(["1 lost"]);
  });

  it("do not concern direct scraping", () => {
    expect(violations(row("direct", { lost: 5, duplicated: 1 }, { rates: undefined }))).toEqual([]);
  });
});

it("prints a line per row, with aligned columns and the violations at the end", () => {
  const [title, first, second] = formatTable([row("federate", { lost: 1 }), row("direct")]).split("\n");
  expect(title).toMatch(/^fault +style +server +expected +lost/);
  expect(first).toMatch(/^none +federate +2\.42 +100 +1 .* 10 % +2\.00 % +1 lost$/);
  expect(second!.indexOf("2.42")).toBe(title!.indexOf("server"));
});
