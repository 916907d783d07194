/**
 * The share of MEMORY_MAX_BYTES for responses: preparing, keeping and sending them. They have a budget of their own, so
 * that they never evict scrapes, and the cache leaves them memory to work with.
 */
export const responsesShare = 1 / 4;

/** The share of MEMORY_MAX_BYTES for data that is arriving from peers. */
export const arrivingShare = 1 / 8;

/**
 * Frees memory on request.
 *
 * @param bytesNeeded how many bytes to free, if there are as many.
 * @param origin the node whose data needs the memory; undefined for this node.
 * @returns the bytes freed, which may be more or fewer. The budget subtracts them: do not call `give` for them.
 */
export type Evict = (bytesNeeded: number, origin?: string) => number;

/**
 * One limit for memory that several parts of the program share. Each part calls `take` before it allocates and `give`
 * after it has released. The budget only counts: it does not allocate anything itself.
 */
export class MemoryBudget {
  readonly #evictors: Evict[] = [];
  #used = 0;

  constructor(readonly maxBytes: number) {}

  /** Bytes taken and not given back. */
  get used(): number {
    return this.#used;
  }

  /** Registers a part that can free memory. Evictors are called in the order of registration. */
  addEvictor(evict: Evict): void {
    this.#evictors.push(evict);
  }

  /**
   * Reserves memory. Where it does not fit, evictors are called until it does.
   *
   * @returns false if it still does not fit; then nothing is reserved. More than `maxBytes` never fits and evicts
   * nothing.
   * @param origin see `Evict`.
   */
  take(bytes: number, origin?: string): boolean {
    if (bytes > this.maxBytes) return false;
    for (const evict of this.#evictors) {
      const bytesNeeded = this.#used + bytes - this.maxBytes;
      if (bytesNeeded <= 0) break;
      this.give(evict(bytesNeeded, origin));
    }
    if (this.#used + bytes > this.maxBytes) return false;
    this.#used += bytes;
    return true;
  }

  /** Returns memory taken before. */
  give(bytes: number): void {
    this.#used -= bytes;
  }
}
