import { expect, it } from "vitest";
import { BoundedMap } from "../../../src/server/authentication/bounded-map.js";

it("a bounded map lets go of what was not used for the longest time", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.get("a");
  map.set("c", 3);
  expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([1, undefined, 3]);
  expect(map.size).toBe(2);
});
