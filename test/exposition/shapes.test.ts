import { describe, expect, it } from "vitest";
import { viewOf } from "../../src/exposition/bytes.js";
import { SeriesReader } from "../../src/exposition/series-reader.js";
import { Shapes } from "../../src/exposition/shapes.js";
import { AddedLabels } from "../../src/exposition/source.js";

const added = new AddedLabels([["instance", "x"]], 0);

function find(shapes: Shapes, series: string) {
  const bytes = Buffer.from(`${series} 1\n`);
  const reader = new SeriesReader();
  reader.read(bytes, viewOf(bytes), 0, "text");
  return shapes.find(reader, added, 0);
}

describe("Shapes", () => {
  it("finds the shape of a series by its name and label names", () => {
    const shapes = new Shapes();
    const shape = find(shapes, 'a{b="1",c="2"}')!;
    expect(find(shapes, 'a{b="x",c="y"}')).toBe(shape);
    for (const other of ['a{c="2",b="1"}', 'a{b="1"}', "a", 'b{b="1",c="2"}', '{"a b",b="1",c="2"}']) {
      expect(find(shapes, other)).not.toBe(shape);
    }
  });

  it("after two thousand shapes, creates one only when it occurs again", () => {
    const shapes = new Shapes();
    for (let index = 0; index < 2000; index++) expect(find(shapes, `m${index}`)).toBeDefined();
    expect(find(shapes, "again")).toBeUndefined();
    expect(find(shapes, "once")).toBeUndefined();
    expect(find(shapes, "again")).toBeDefined();
    expect(find(shapes, "m0")).toBeDefined();
  });

  it("limits the number of labels", () => {
    const shapes = new Shapes();
    const wide = (index: number) =>
      `m${index}{${Array.from({ length: 900 }, (_, label) => `l${label}="v"`).join(",")}}`;
    for (let index = 0; index < 111; index++) find(shapes, wide(index));
    expect(find(shapes, wide(0))).toBeDefined();
    expect(find(shapes, "another")).toBeUndefined();
    expect(shapes.full).toBe(true);
  });
});
