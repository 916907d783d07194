/** A map with a maximum number of entries: when it is full, the least recently used one is removed. */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>();

  /** @param maxEntries at least 1. */
  constructor(private readonly maxEntries: number) {}

  get size(): number {
    return this.#entries.size;
  }

  /** Counts as a use. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  /** The value of `key`, which is created and added if there is none. Counts as a use. */
  getOrCreate(key: K, create: () => V): V {
    const known = this.get(key);
    if (known !== undefined) return known;
    const value = create();
    this.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.maxEntries) return;
    for (const leastRecentlyUsed of this.#entries.keys()) {
      this.#entries.delete(leastRecentlyUsed);
      return;
    }
  }

  /** Least recently used first. */
  values(): Iterable<V> {
    return this.#entries.values();
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
