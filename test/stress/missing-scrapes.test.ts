import { expect, it } from "vitest";
import { missingScrapes } from "./missing-scrapes.js";

it.each([
  ["one per interval", [-1, 9, 19, 29], 0],
  ["a late one, within half an interval", [-1, 9, 23, 29], 0],
  ["one missing in the middle", [-1, 9, 29], 1],
  ["two missing at the start", [-1, 29], 2],
  ["two missing at the end", [-1, 9], 1],
  ["none at all", [], 2],
  ["later ones do not count", [-1, 9, 19, 29, 100], 0],
])("%s", (_, times, missing) => {
  expect(missingScrapes(times, 0, 30, 10)).toBe(missing);
});
