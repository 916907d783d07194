import type { Scrape } from "../model/scrape.js";

/** What tells two entries apart: the same target of a file may be scraped by two nodes. */
export function keyOf({ origin, id }: Pick<Scrape, "origin" | "id">): string {
  return `${origin} ${id}`;
}

/** The entries of one origin. */
interface OriginShelf {
  readonly entries: Map<string, Scrape>;
  digest: number;
}

/** Entries by key, by name and by origin, always in step with one another. */
export class EntryIndex {
  readonly #byKey = new Map<string, Scrape>();
  readonly #byName = new Map<string, Set<Scrape>>();
  readonly #byOrigin = new Map<string, OriginShelf>();
  #gzipBytes = 0;

  get(key: string): Scrape | undefined {
    return this.#byKey.get(key);
  }

  all(): Scrape[] {
    return [...this.#byKey.values()];
  }

  /** Adds an entry in the place of its predecessor, which is returned. */
  add(entry: Scrape): Scrape | undefined {
    const before = this.delete(entry);
    this.#byKey.set(keyOf(entry), entry);
    this.#gzipBytes += entry.gzip.length;
    for (const name of entry.names) {
      const named = this.#byName.get(name);
      if (named === undefined) this.#byName.set(name, new Set([entry]));
      else named.add(entry);
    }
    const shelf = this.#byOrigin.get(entry.origin) ?? { entries: new Map<string, Scrape>(), digest: 0 };
    this.#byOrigin.set(entry.origin, shelf);
    shelf.entries.set(entry.id, entry);
    shelf.digest ^= digestOf(entry);
    return before;
  }

  /** Deletes what is there under the key of `entry`, and returns it. */
  delete(entry: Pick<Scrape, "origin" | "id">): Scrape | undefined {
    const key = keyOf(entry);
    const held = this.#byKey.get(key);
    if (held === undefined) return undefined;
    this.#byKey.delete(key);
    this.#gzipBytes -= held.gzip.length;
    for (const name of held.names) {
      const named = this.#byName.get(name);
      named?.delete(held);
      if (named?.size === 0) this.#byName.delete(name);
    }
    const shelf = this.#byOrigin.get(held.origin)!;
    shelf.entries.delete(held.id);
    shelf.digest ^= digestOf(held);
    if (shelf.entries.size === 0) this.#byOrigin.delete(held.origin);
    return held;
  }

  named(name: string): Iterable<Scrape> {
    return this.#byName.get(name) ?? [];
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }

  origins(): string[] {
    return [...this.#byOrigin.keys()];
  }

  ofOrigin(origin: string): Iterable<Scrape> {
    return this.#byOrigin.get(origin)?.entries.values() ?? [];
  }

  /** How many entries of an origin are held, and a digest of which ones: see digestOf. */
  shelf(origin: string): { readonly size: number; readonly digest: number } {
    const shelf = this.#byOrigin.get(origin);
    return { size: shelf?.entries.size ?? 0, digest: (shelf?.digest ?? 0) >>> 0 };
  }

  get totals(): { readonly entries: number; readonly gzipBytes: number } {
    return { entries: this.#byKey.size, gzipBytes: this.#gzipBytes };
  }
}

/**
 * A number of 32 bits for an entry's place in the history of its origin; 0 for what is not published. The digest of
 * a set of entries is the exclusive or of theirs: two nodes that hold the same entries have the same one, whatever
 * the order in which they got them.
 */
export function digestOf({ epoch, sequence }: Pick<Scrape, "epoch" | "sequence">): number {
  if (sequence === 0) return 0;
  return scatter(scatter((sequence % 2 ** 32) ^ (epoch / 2 ** 32)) ^ (epoch % 2 ** 32));
}

/** The finalizer of MurmurHash3: a change of one bit changes about half of the others. */
function scatter(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
