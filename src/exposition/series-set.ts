const initialSlots = 1024;

/**
 * Tells which series may be there twice, by their hashes alone: what two equal hashes mean is for the caller to
 * find out. It holds two numbers a series.
 */
export class SeriesSet {
  private hashes = new Int32Array(initialSlots);
  /** For each slot the value of its series and 1; 0 where it is free. */
  private values = new Uint32Array(initialSlots);
  private size = 0;
  /** Nobody can make up series that all fall into one slot. */
  private readonly salt = Math.floor(Math.random() * 2 ** 32);

  /** Adds a series and keeps a value for it, from 0 to 2^32 - 2. Answers that of the first one with the same hash, or -1. */
  add(hash: number, value: number): number {
    const mask = this.hashes.length - 1;
    let slot = this.slotOf(hash, mask);
    for (; this.values[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.hashes[slot] === hash) return this.values[slot]! - 1;
    }
    this.hashes[slot] = hash;
    this.values[slot] = value + 1;
    this.size++;
    if (2 * this.size > mask) this.grow();
    return -1;
  }

  /** Forgets all series, not the memory that so many take. */
  clear(): void {
    // One source with many series must not make it slow for all that follow.
    if (this.values.length > 8 * initialSlots && 16 * this.size < this.values.length) {
      this.hashes = new Int32Array(initialSlots);
      this.values = new Uint32Array(initialSlots);
    } else {
      this.values.fill(0);
    }
    this.size = 0;
  }

  private slotOf(hash: number, mask: number): number {
    const mixed = Math.imul(hash ^ this.salt, 0x2c1b3c6d);
    return (mixed ^ (mixed >>> 15)) & mask;
  }

  private grow(): void {
    const { hashes, values } = this;
    this.hashes = new Int32Array(2 * hashes.length);
    this.values = new Uint32Array(2 * values.length);
    this.size = 0;
    for (let slot = 0; slot < hashes.length; slot++) {
      if (values[slot] !== 0) this.add(hashes[slot]!, values[slot]! - 1);
    }
  }
}
