import { describe, expect, it } from "vitest";
import { BoundedMap } from "../src/bounded-map.js";

describe("BoundedMap", () => {
  it("removes the least recently used entry when it is full", () => {
    const map = new BoundedMap<string, number>(2);
    map.set("a", 1);
    map.set("b", 2);
    map.get("a");
    map.set("c", 3);
    expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([1, undefined, 3]);
    expect(map.size).toBe(2);
  });

  it("creates a missing value once", () => {
    const map = new BoundedMap<string, number[]>(2);
    const created = map.getOrCreate("a", () => [1]);
    expect(map.getOrCreate("a", () => [2])).toBe(created);
    map.delete("a");
    expect(map.getOrCreate("a", () => [3])).toEqual([3]);
  });

  it("never holds more than its limit, whatever the number of keys", () => {
    const map = new BoundedMap<number, number>(100);
    for (let key = 0; key < 10_000; key++) map.getOrCreate(key, () => key);
    expect(map.size).toBe(100);
    expect(map.get(9_999)).toBe(9_999);
    expect(map.get(9_899)).toBeUndefined();
  });
});
