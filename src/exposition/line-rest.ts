import { asBuffer } from "./bytes.js";

/** The bytes of a record that is not whole yet, copied out of the chunks that they came in. */
export class LineRest {
  private buffer = Buffer.alloc(0);
  /** How many bytes it holds. */
  length = 0;

  /** Adds a copy of `bytes`. The memory doubles when it is used up. */
  append(bytes: Uint8Array): void {
    const length = this.length + bytes.length;
    if (length > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, 2 * this.buffer.length, 1024));
      this.buffer.copy(grown, 0, 0, this.length);
      this.buffer = grown;
    }
    asBuffer(bytes).copy(this.buffer, this.length);
    this.length = length;
  }

  /** What it holds, valid until it changes. */
  view(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    this.buffer.copyWithin(0, count, this.length);
    this.length -= count;
  }
}
