import { describe, expect, it } from "vitest";
import { viewOf } from "../../src/exposition/bytes.js";
import type { Format } from "../../src/exposition/format.js";
import { readSeries, writeSeries } from "../../src/exposition/series.js";
import { SeriesReader } from "../../src/exposition/series-reader.js";

const reader = new SeriesReader();

function read(series: string, format: Format = "text"): string {
  const bytes = Buffer.from(`# before\n${series} 1\n`, "latin1");
  const start = "# before\n".length;
  reader.read(bytes, viewOf(bytes), start, format);
  expect(reader.end).toBe(start + series.length);
  const { bounds, labels, name } = {
    bounds: [...reader.bounds],
    labels: reader.labels,
    name: reader.name(),
  };
  const expected = readSeries(bytes, start);
  expect(name).toBe(expected.name);
  expect(reader.labelNames()).toEqual(expected.labels.map(([label]) => label));
  for (let label = 0; label < labels; label++) {
    const value = reader.bytes.toString("latin1", bounds[4 * label + 2], bounds[4 * label + 3]);
    expect(`${value}"`).not.toMatch(/^"/);
  }
  return reader.bytes.toString("latin1", reader.start, reader.stop);
}

describe("SeriesReader", () => {
  it.each([
    "a",
    "a:b",
    'a{b="c"}',
    'a{b="c",d="e"}',
    'a{b="\\\\\\"\\n"}',
    '{"a b"}',
    '{"a\\"b",c="d"}',
    'a{"b c"="d"}',
  ])("finds that every parser accepts the spelling: %s", (series) => {
    expect(read(series)).toBe(series);
    expect(reader.canonical).toBe(true);
  });

  it.each([
    "a{}",
    'a {b="c"}',
    'a{ b="c"}',
    'a{b ="c"}',
    'a{b= "c"}',
    'a{b="c" }',
    'a{b="c"d="e"}',
    'a{b="c" d="e"}',
    'a{b=""}',
    'a{b="",c="d"}',
    'a{b="\\q\\\\q"}',
    'a{b="\n"}',
    'a{b="\\\0"c"}',
    '{"a"}',
    '{"a",b="c"}',
    '{b="c","a b"}',
    'a{"b"="c"}',
    '{"\\q",b="c"}',
  ])("spells a series like writeSeries: %j", (series) => {
    expect(read(series)).toBe(writeSeries(readSeries(Buffer.from(`${series} 1\n`, "latin1"), 0)));
    expect(reader.canonical).toBe(false);
  });

  it("allows a comma after the last label only in the text format", () => {
    expect(read('a{b="c",}')).toBe('a{b="c",}');
    expect(read('a{b="c",}', "openmetrics")).toBe('a{b="c"}');
  });

  it("computes the same hash for any order and spelling of the labels", () => {
    const hashes = ['a{b="c",d="\\n"}', 'a{ d = "\n" b="c",}', '{d="\\n",b="c","a"}'].map((series) => {
      read(series);
      return reader.hash(7);
    });
    expect(new Set(hashes).size).toBe(1);
    read('a{b="c",d="e"}');
    expect(hashes).not.toContain(reader.hash(7));
  });

  it("reads many labels", () => {
    const series = `a{${Array.from({ length: 100 }, (_, index) => `l${index}="v"`).join(",")}}`;
    expect(read(series)).toBe(series);
    expect(reader.labels).toBe(100);
    expect([reader.hasLabel("l99"), reader.hasLabel("l100"), reader.hasOwnLabel()]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
