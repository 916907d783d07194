import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { escapeJson, maxPrintedLength, printable, printableJson, printableLines } from "../src/printable.js";

const dangerous = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.constantFrom("\x1b", "\x9b", "\x07", "\u202e", "\u2028", "\u{e0001}", "\ud800", "a", "\n"),
  }),
);

describe("a printable text", () => {
  it.each([
    ["\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"],
    ["\x9b31m", "\\u009b31m"],
    ["a\r\nb", "a\\u000d\\u000ab"],
    ["safe \u202exet", "safe \\u202exet"],
    ["\u2028\u2029\ufeff\u200b", "\\u2028\\u2029\\ufeff\\u200b"],
    ["\u{e0001}", "\\udb40\\udc01"],
    ["\ud800", "\\ud800"],
    ["größe 温度 🌡", "größe 温度 🌡"],
  ])("of %j is %s", (text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  it("contains no such characters, is no longer than the limit, and stays the same (property)", () => {
    fc.assert(
      fc.property(hostile, fc.integer({ min: 1, max: 30 }), (text, most) => {
        const shown = printable(text, most);
        expect(shown).not.toMatch(dangerous);
        expect(shown.length).toBeLessThanOrEqual(most);
        expect(printable(shown, most)).toBe(shown);
        if (!dangerous.test(text) && text.length <= most) expect(shown).toBe(text);
      }),
    );
  });

  it("ends with an ellipsis if it is shortened", () => {
    expect(printable("abcdef", 6)).toBe("abcdef");
    expect(printable("abcdefg", 6)).toBe("abcde…");
    expect(printable("x".repeat(1e6))).toHaveLength(maxPrintedLength);
  });
});

describe("printable lines", () => {
  it("are printable one by one", () => {
    expect(printableLines("a\x1b\n\n\u202eb\r\n")).toBe("a\\u001b\n\n\\u202eb\\u000d\n");
  });
});

describe("printable JSON", () => {
  it("is the same value without such characters (property)", () => {
    fc.assert(
      fc.property(
        fc.record({ a: hostile, b: fc.array(hostile) }),
        fc.constantFrom(undefined, 2),
        (value, space) => {
          const json = printableJson(value, space);
          expect(JSON.parse(json)).toEqual(value);
          expect(json.replaceAll("\n", "")).not.toMatch(dangerous);
          expect(escapeJson(json)).toBe(json);
        },
      ),
    );
  });
});
