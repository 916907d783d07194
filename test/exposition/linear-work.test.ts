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
