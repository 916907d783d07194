import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseBoundedJson } from "../../src/archive/bounded-json.js";

const parse = (text: string, values = 1000, depth = 100) =>
  parseBoundedJson(Buffer.from(text), { values, depth });

function valuesIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((sum: number, item) => sum + valuesIn(item), 1);
}

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe("bounded JSON", () => {
  it("is parsed like any JSON", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.constantFrom(undefined, 1, "\t"), (text, space) => {
        const spaced = JSON.stringify(JSON.parse(text), null, space);
        expect(parse(spaced, 1e6)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("is rejected if it is invalid, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(() => parse(text)).toThrow();
          return;
        }
        expect(parse(text)).toEqual(expected);
      }),
    );
  });

  it("has at most as many values as the limit; empty arrays and objects count twice", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        const values = valuesIn(JSON.parse(text));
        const empty = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, "0").match(/\[\]|\{\}/g)?.length ?? 0;
        expect(() => parse(text, values + empty)).not.toThrow();
        expect(() => parse(text, values + empty - 1)).toThrow(`more than ${values + empty - 1} values`);
      }),
    );
  });

  it("has at most as many levels as the limit", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        const depth = depthOf(JSON.parse(text));
        expect(() => parse(text, 1e6, depth)).not.toThrow();
        if (depth > 0) expect(() => parse(text, 1e6, depth - 1)).toThrow(`more than ${depth - 1} levels`);
      }),
    );
  });

  it("may have brackets, commas and escaped quotes in texts", () => {
    const value = { '[{",\\': ',"[[[[{{{{\\', "": '\\"' };
    expect(parse(JSON.stringify(value), 4, 1)).toEqual(value);
  });
});
