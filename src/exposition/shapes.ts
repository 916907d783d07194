import { SampleShape } from "./sample-shape.js";
import type { SeriesReader } from "./series-reader.js";
import type { AddedLabels } from "./source.js";

const slots = 16_384;
/** So many shapes are kept at once, which is more than most sources have. */
const ordinaryShapes = 2000;
/** A limit for the labels of all shapes, so that a target cannot fill memory with invented label names. */
const maxLabels = 100_000;

/**
 * The shapes of earlier samples, by a hash of their names. After the first ones, it keeps only shapes that occur twice:
 * creating one costs as much as copying several samples, and a hostile source may never repeat one.
 */
export class Shapes {
  private readonly shapes = new Map<number, SampleShape>();
  /** The last hash in each slot, also of shapes that are not kept. */
  private hashes: Int32Array | undefined;
  private labels = 0;
  /** Whether a limit has been reached. */
  full = false;

  /** Finds or creates the shape of a series in its canonical spelling; undefined if it is not kept. */
  find(series: SeriesReader, added: AddedLabels, salt: number): SampleShape | undefined {
    const { shapes } = this;
    const hash = series.shapeHash(salt);
    const known = shapes.get(hash);
    if (known !== undefined) return known.includes(series) ? known : undefined;
    if (shapes.size >= ordinaryShapes && !this.occurred(hash)) return undefined;
    this.labels += 1 + series.labels;
    this.full ||= this.labels > maxLabels || shapes.size === slots;
    if (this.full) return undefined;
    const shape = new SampleShape(series, added, salt);
    shapes.set(hash, shape);
    return shape;
  }

  /** Whether the last series in this slot had the same hash. */
  private occurred(hash: number): boolean {
    this.hashes ??= new Int32Array(slots);
    const slot = hash & (slots - 1);
    const occurred = this.hashes[slot] === hash;
    this.hashes[slot] = hash;
    return occurred;
  }
}
