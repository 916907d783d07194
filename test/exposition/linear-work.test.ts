import { describe, expect, it } from "vitest";
import { sourcesOf, tasksFor } from "../fuzz/time/measure.js";
import { shapes } from "../fuzz/time/shapes.js";
import { measureWork } from "../support/work-meter.js";

const small = 10_000;
const large = 8 * small;
/** Work per byte of input: about ten passes over a line that no other line resembles. */
const maxWorkPerByte = 60;

/** The shapes of scripts/fuzz --time. They are counted here, not timed. */
describe.each(Object.keys(shapes))("an exposition of the shape: %s", (name) => {
  const shape = shapes[name]!;

  it.each(Object.keys(tasksFor(shape.format)))("costs work in proportion to its size: %s", (task) => {
    const [few, many] = [small, large].map((bytes) => {
      const sources = sourcesOf(shape, bytes);
      const input = sources.reduce((sum, source) => sum + source.bytes.length, 0);
      return measureWork(tasksFor(shape.format)[task]!(sources)).total / input;
    }) as [number, number];
    expect(many).toBeLessThan(maxWorkPerByte);
    // Some work is the same for all sizes; chunks that do not end with a line cost some more.
    expect(many).toBeLessThan(2 * few + 10);
  });
});

describe("a step", () => {
  // Shapes whose lines are short, so that only the code determines the length of a step.
  const names = [
    "alternating names",
    "exemplars without a type",
    "families of OpenMetrics",
    "labels of different lengths",
    "many families",
    "many names",
    "many sources after one with many shapes",
    "shortest different lines",
    "types that differ",
  ];
  // Copying four megabytes, or fifty thousand lookups: a few milliseconds.
  const maxWork = 1_000_000;

  it.each(names)("does not depend on the size of the exposition: %s", (name) => {
    const shape = shapes[name]!;
    for (const [task, run] of Object.entries(tasksFor(shape.format))) {
      const { longestStep } = measureWork(run(sourcesOf(shape, 1_500_000)));
      expect(longestStep, task).toBeLessThan(maxWork);
    }
  });
});
