import { viewOf } from "./bytes.js";
import { concatInSteps, type Steps } from "./steps.js";

/** A smaller buffer grows in one step. */
const minBytesForSteps = 4 * 1024 * 1024;
/** Space that is nearly always sufficient for one step. */
const spaceForStep = 1024 * 1024;

/** A growing buffer that bytes are appended to. */
export class ByteSink {
  bytes: Buffer;
  /** Number of bytes written. May be set to a lower value to undo the most recent writes. */
  length = 0;
  private view: DataView;

  /** @param capacity expected number of bytes. */
  constructor(capacity: number) {
    this.bytes = allocate(capacity);
    this.view = viewOf(this.bytes);
  }

  /** Starts again with a new, empty buffer. References to the old buffer stay valid. */
  renew(capacity: number): void {
    this.bytes = allocate(capacity);
    this.view = viewOf(this.bytes);
    this.length = 0;
  }

  /** Whether `grow` should be called before the next step. */
  get isNearlyFull(): boolean {
    const { length } = this.bytes;
    return length >= minBytesForSteps && length - this.length < spaceForStep;
  }

  /** Doubles the buffer in steps, because copying a large one takes long. */
  *grow(): Steps<void> {
    this.bytes = yield* concatInSteps([this.written()], 2 * this.bytes.length);
    this.view = viewOf(this.bytes);
  }

  /** Ensures space for `count` more bytes. Required before `copy`. */
  reserve(count: number): void {
    // A copy may write up to seven bytes more.
    const wanted = this.length + count + 8;
    if (wanted <= this.bytes.length) return;
    const grown = allocate(Math.max(2 * this.bytes.length, wanted));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
    this.view = viewOf(grown);
  }

  /**
   * Appends the bytes from `start` to `end`; the space must have been reserved.
   *
   * For short lines, copying eight bytes at a time is faster than calling a native copy. They are copied as floats.
   * That changes bits only in some NaNs, and no eight bytes of UTF-8 form one (0xff does not occur in it, and 0x7f does
   * not follow 0xf0 or above).
   */
  copy(from: DataView, start: number, end: number): void {
    const { view } = this;
    let at = this.length;
    this.length = at + end - start;
    if (end + 8 <= from.byteLength) {
      for (let pos = start; pos < end; pos += 8, at += 8)
        view.setFloat64(at, from.getFloat64(pos, true), true);
    } else {
      for (let pos = start; pos < end; pos++, at++) view.setUint8(at, from.getUint8(pos));
    }
  }

  /** Appends bytes. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Appends a byte string. */
  write(text: string): void {
    this.reserve(text.length);
    this.length += this.bytes.write(text, this.length, "latin1");
  }

  /** The bytes written so far, without copying them. */
  written(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** Removes the first `count` bytes. */
  drop(count: number): void {
    this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
  }
}

function allocate(capacity: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.max(Math.ceil(capacity), 1024));
}
