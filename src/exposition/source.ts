import type { Format } from "./format.js";

/** One exposition that is to become part of an answer. */
export interface Source {
  /** A whole exposition that its validator has found valid, not compressed. It is read, never changed. */
  readonly bytes: Buffer;
  readonly format: Format;
  /**
   * What is put into each of its samples, such as `[["instance", "shop_web.1"]]`. No name may be there twice, and
   * an empty value is as good as no label.
   */
  readonly labels: readonly (readonly [name: string, value: string])[];
}
