import { describe, expect, it } from "vitest";
import { ByteSink } from "../../src/exposition/byte-sink.js";
import { DuplicateFinder } from "../../src/exposition/duplicate-finder.js";

describe("DuplicateFinder", () => {
  it("compares the series if their hashes are equal", () => {
    const sink = new ByteSink(0);
    const finder = new DuplicateFinder([{ bytes: Buffer.alloc(0), format: "text", labels: [] }], sink);
    finder.begin();
    const isDuplicate = (series: string, hash: number) => {
      const start = sink.length;
      sink.write(`${series} 1\n`);
      return finder.isDuplicate(start, start + series.length, hash);
    };
    expect(isDuplicate('a{b="1"}', 7)).toBe(false);
    expect(isDuplicate('a{b="2"}', 7)).toBe(false);
    expect(isDuplicate('a{b="3"}', 7)).toBe(false);
    expect(isDuplicate('a{b="1"}', 7)).toBe(true);
    expect(isDuplicate('a{b="2"}', 7)).toBe(true);
    expect(isDuplicate('a{b="3"}', 7)).toBe(true);
    expect(isDuplicate('a{b="4"}', 8)).toBe(false);
  });
});
