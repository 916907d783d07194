/** Bytes that are written one behind the other into memory that grows. */
export class ByteSink {
  bytes: Buffer;
  /** How many bytes were written. May be set back, to take back what was written last. */
  length = 0;
  private view: DataView;

  /** `capacity`: how many bytes it is likely to take. */
  constructor(capacity: number) {
    this.bytes = allocate(capacity);
    this.view = viewOf(this.bytes);
  }

  /** Makes it empty, with other memory: what was written stays with those who have it. */
  renew(capacity: number): void {
    this.bytes = allocate(capacity);
    this.view = viewOf(this.bytes);
    this.length = 0;
  }

  /** Makes room for `count` more bytes. To be called before `copy`. */
  reserve(count: number): void {
    // A copy may write seven bytes more.
    const wanted = this.length + count + 8;
    if (wanted <= this.bytes.length) return;
    const grown = allocate(Math.max(2 * this.bytes.length, wanted));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
    this.view = viewOf(grown);
  }

  /**
   * Adds what lies between `start` and `end`, for which there is room. Lines are so short that calling a native copy
   * takes longer than eight bytes at once do. They go over as floats: no bits of a float are changed but those of
   * some that are NaN, and no eight bytes of UTF-8 are one (0xff is not in it, and 0x7f not behind 0xf0 and above).
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

  /** Adds a byte string. */
  write(text: string): void {
    this.reserve(text.length);
    this.length += this.bytes.write(text, this.length, "latin1");
  }
}

function allocate(capacity: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.max(Math.ceil(capacity), 1024));
}

/** A view of the same memory. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
