import type { Scrape } from "../model/scrape.js";

/** The scrapes of one origin whose bytes are in memory, in the order in which they are evicted. */
export class EvictionOrder {
  /** Bytes by number, as in the maps below. */
  readonly #bytes = new Map<number, number>();
  /** For each number, how many targets are served with it. */
  readonly #uses = new Map<number, number>();
  /** Those that no target is served with; the one that was replaced first comes first. */
  readonly #older = new Map<number, number>();
  /** Those that targets are served with; the one whose measurement is the oldest comes first. */
  readonly #served = new Map<number, number>();
  #olderBytes = 0;

  /** The bytes of scrapes that no target is served with. */
  get olderBytes(): number {
    return this.#olderBytes;
  }

  /** The number of the scrape to evict first, of those that no target is served with. */
  get oldest(): number | undefined {
    return this.#older.keys().next().value;
  }

  /** The number of the scrape to evict first, of those that targets are served with. */
  get oldestServed(): number | undefined {
    return this.#served.keys().next().value;
  }

  add(number: number, bytes: number): void {
    this.#bytes.set(number, bytes);
    this.#place(number);
  }

  delete(number: number): void {
    this.#bytes.delete(number);
    this.#place(number);
  }

  /** Notes that a target is served with another scrape, or with a newer measurement that has the same bytes. */
  replace(before: Scrape | undefined, now: Scrape | undefined): void {
    if (before?.number === now?.number && before?.measuredAt === now?.measuredAt) return;
    if (before !== undefined) this.#count(before.number, -1);
    if (now !== undefined) this.#count(now.number, 1);
  }

  #count(number: number, change: number): void {
    const uses = (this.#uses.get(number) ?? 0) + change;
    if (uses === 0) this.#uses.delete(number);
    else this.#uses.set(number, uses);
    this.#place(number);
  }

  #place(number: number): void {
    this.#olderBytes -= this.#older.get(number) ?? 0;
    this.#older.delete(number);
    this.#served.delete(number);
    const bytes = this.#bytes.get(number);
    if (bytes === undefined) return;
    if (this.#uses.has(number)) this.#served.set(number, bytes);
    else {
      this.#older.set(number, bytes);
      this.#olderBytes += bytes;
    }
  }
}
