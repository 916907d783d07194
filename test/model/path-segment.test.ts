import { describe, expect, it } from "vitest";
import { isEncodableSegment, isPathSegment, quoted } from "../../src/model/path-segment.js";

describe("a path segment", () => {
  it.each(["web", "größe", "温度", "a b", "a..b", "🌡", "x".repeat(200)])("can be %j", (text) => {
    expect(isPathSegment(text)).toBe(true);
  });

  it.each([
    ...["", ".", "..", "-", "x".repeat(201), "a\nb", "a\x7f", "a\x9b", "\ud800"],
    // Invisible, or they change the order of the other characters.
    ...[
      "web\u202egpj",
      "web\u200b",
      "\ufeffweb",
      "we\u00adb",
      "a\u2066b",
      "a\u2028b",
      "a\u2029b",
      "a\u{e0041}",
    ],
  ])("cannot be %j", (text) => {
    expect(isEncodableSegment(text)).toBe(false);
    expect(isPathSegment(text)).toBe(false);
  });

  it("has a slash only if that is percent-encoded", () => {
    expect([isEncodableSegment("a/b"), isPathSegment("a/b")]).toEqual([true, false]);
  });
});

describe("a quoted text", () => {
  it("is printable and short", () => {
    expect(quoted("a\x1b\u202eb\x9b")).toBe('"a\\u001b\\u202eb\\u009b"');
    expect(quoted("x".repeat(100), 3)).toBe('"xxx…"');
  });
});
