import { describe, expect, it } from "vitest";
import { viewOf } from "../../src/exposition/bytes.js";
import { readSeries } from "../../src/exposition/series.js";
import { SeriesPattern } from "../../src/exposition/series-pattern.js";

function learned(series: string, seeds?: readonly number[]): SeriesPattern {
  const bytes = Buffer.from(`${series} 1\n`);
  const { bounds, end, labels } = readSeries(bytes, 0);
  const pattern = new SeriesPattern(seeds);
  pattern.learn(viewOf(bytes), 0, end, bounds, labels.length);
  return pattern;
}

function match(pattern: SeriesPattern, series: string): boolean {
  const bytes = Buffer.from(`${series} 1\n`);
  return pattern.match(bytes, viewOf(bytes), 0) === Buffer.byteLength(series);
}

describe("SeriesPattern", () => {
  it.each([
    'a{b="1",c="2"}',
    'a{b="",c="2"}',
    'a{b="1",d="2"}',
    'a{b="1",c="2",d="3"}',
    'a{b="1"}',
    'b{b="1",c="2"}',
    'a{b="\\q",c="2"}',
  ])("matches only series of the same shape without empty values and unknown escapes: %s", (series) => {
    expect(match(learned('a{b="long value",c="x"}'), series)).toBe(series === 'a{b="1",c="2"}');
  });

  it("has the same bounds and hash as if it had learned the series", () => {
    const seeds = [1, 2, 3];
    const pattern = learned('a{b="first",c="y",d="x"}', seeds);
    for (const series of [
      'a{b="longer than first",c="y",d="x"}',
      'a{b="f",c="yy",d="x"}',
      'a{b="f",c="yy",d="\\"xxxxxxxxxxxxxxxx"}',
      'a{b="ff",c="y",d="x"}',
    ]) {
      expect(match(pattern, series)).toBe(true);
      const expected = learned(series, seeds);
      expect(pattern.hash).toBe(expected.hash);
      expect([0, 1, 2].map((label) => pattern.endOf(label))).toEqual(
        [0, 1, 2].map((label) => expected.endOf(label)),
      );
    }
  });

  it("keeps bounds and hash after a mismatch", () => {
    const seeds = [1, 2];
    const pattern = learned('a{b="1",c="2"}', seeds);
    expect(match(pattern, 'a{b="longer",d="2"}')).toBe(false);
    expect(match(pattern, 'a{b="1",c="3"}')).toBe(true);
    expect(pattern.hash).toBe(learned('a{b="1",c="3"}', seeds).hash);
  });

  it("matches after the memory has been detached", () => {
    const pattern = learned('a{b="1",c="2"}');
    pattern.detach();
    expect(match(pattern, 'a{b="3",c="4"}')).toBe(true);
  });

  it("compares series with many labels in linear time", () => {
    const series = (value: string) =>
      `a{${Array.from({ length: 50_000 }, (_, index) => `l${index}="${value}"`).join(",")}}`;
    const pattern = learned(series("x"));
    const started = performance.now();
    for (let round = 0; round < 10; round++) {
      expect(match(pattern, series("x".repeat(2 + (round % 2))))).toBe(true);
    }
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
