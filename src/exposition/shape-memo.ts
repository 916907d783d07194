import type { PutLabels } from "./put-labels.js";
import { SampleShape } from "./sample-shape.js";
import type { FoundSeries } from "./series.js";

/** More shapes are not remembered: a target that makes up label names must not take all memory. */
const maxShapes = 10_000;

/** The shapes that were seen, over all sources of an answer: replicas say the same in the same order. */
export class ShapeMemo {
  private readonly shapes = new Map<string, SampleShape>();

  /** The shape of a series that the labels are put into. */
  of(series: FoundSeries, put: PutLabels): SampleShape {
    const names = series.labels.map(([name]) => name);
    const key = JSON.stringify([series.name, names, put.names]);
    const known = this.shapes.get(key);
    if (known !== undefined) return known;
    if (this.shapes.size === maxShapes) this.shapes.clear();
    const shape = new SampleShape(series, put);
    this.shapes.set(key, shape);
    return shape;
  }

  /** Lets go of the bytes of the last source. */
  detach(): void {
    for (const { last } of this.shapes.values()) last?.detach();
  }
}
