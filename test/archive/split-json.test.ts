import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitJson } from "../../src/archive/split-json.js";

const limits = { values: 1000, depth: 8 };

function run<T>(steps: Generator<undefined, T>): { readonly result: T; readonly count: number } {
  for (let count = 0; ; count++) {
    const { done, value } = steps.next();
    if (done) return { result: value, count };
  }
}

/** Puts the elements back. */
function joined(text: string): unknown {
  const { object, arrays } = run(splitJson(Buffer.from(text), limits)).result;
  if (typeof object !== "object" || object === null || Array.isArray(object)) return object;
  const entries = Object.entries(object).map(([key, value]) => [
    key,
    Array.isArray(value) ? arrays[value[0]]!.map((one) => JSON.parse(one.toString())) : value,
  ]);
  return Object.fromEntries(entries);
}

describe("splitJson", () => {
  it("splits any object, however it is formatted (property)", () => {
    const value = fc.dictionary(
      fc.string({ unit: "binary" }).filter((key) => key !== "__proto__"),
      fc.jsonValue({ maxDepth: 4 }),
    );
    fc.assert(
      fc.property(value, fc.constantFrom(0, 2), (object, indent) => {
        const text = JSON.stringify(object, undefined, indent);
        expect(joined(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("accepts nothing that JSON.parse rejects (property)", () => {
    const token = fc.constantFrom("{", "}", "[", "]", ",", ":", '"a"', '"\\""', "1", " ", "null", '"');
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const text = `{"a":[${tokens.join("")}]}`;
        let result: unknown;
        try {
          result = joined(text);
        } catch {
          return;
        }
        expect(result).toEqual(JSON.parse(text));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ["more values", `{"a":[${"1,".repeat(1000)}1]}`, "more than 1000 values"],
    ["more levels", `{"a":${"[".repeat(9)}`, "more than 8 levels"],
    ["an empty element", '{"a":[1,,2]}', "JSON"],
    ["an element missing at the end", '{"a":[1,]}', "JSON"],
    ["an array that does not end", '{"a":[1', "JSON"],
  ])("rejects %s", (_, text, message) => {
    expect(() => joined(text)).toThrow(message);
  });

  it("takes many steps for a long text", () => {
    const text = Buffer.from(JSON.stringify({ a: ["x".repeat(1024 * 1024)] }));
    expect(run(splitJson(text, limits)).count).toBeGreaterThan(10);
  });
});
