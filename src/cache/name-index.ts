import type { Scrape } from "../model/scrape.js";

/** The scrape to serve of every target of every origin, by its names. */
export class NameIndex {
  readonly #byName = new Map<string, Set<Scrape>>();
  readonly #all = new Set<Scrape>();

  /** Replaces the scrape of a target. */
  replace(before: Scrape | undefined, now: Scrape | undefined): void {
    if (before !== undefined) this.#delete(before);
    if (now === undefined) return;
    this.#all.add(now);
    for (const name of now.names) {
      const named = this.#byName.get(name);
      if (named === undefined) this.#byName.set(name, new Set([now]));
      else named.add(now);
    }
  }

  named(name: string): Iterable<Scrape> {
    return this.#byName.get(name) ?? [];
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }

  all(): Scrape[] {
    return [...this.#all];
  }

  #delete(scrape: Scrape): void {
    this.#all.delete(scrape);
    for (const name of scrape.names) {
      const named = this.#byName.get(name);
      named?.delete(scrape);
      if (named?.size === 0) this.#byName.delete(name);
    }
  }
}
