import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTargetKey, targetKeyOf } from "../../src/archive/target-key.js";

describe("targetKeyOf", () => {
  it("is the same in every process: the first 40 bits of the SHA-256", () => {
    // printf docker:1 | sha256sum
    expect(targetKeyOf("docker:1")).toBe(0x43c4dc5a62);
  });

  it("returns a valid key for any id (property)", () => {
    fc.assert(fc.property(fc.string(), (id) => isTargetKey(targetKeyOf(id))));
  });
});

describe("isTargetKey", () => {
  it("accepts whole numbers of 40 bits", () => {
    expect([0, 1, 2 ** 40 - 1].every(isTargetKey)).toBe(true);
    expect([-1, 0.5, 2 ** 40, Number.NaN, Number.POSITIVE_INFINITY].some(isTargetKey)).toBe(false);
  });
});
