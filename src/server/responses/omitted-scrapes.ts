import type { Cache } from "../../cache/cache.js";
import type { Scrape } from "../../model/scrape.js";
import { instanceOf } from "../../model/target.js";

/** Something that a response had to omit. */
export interface Omission {
  readonly instance: string;
  /** The metric family; undefined if the whole scrape is omitted. */
  readonly family?: string;
  readonly reason: string;
}

/** How many are remembered, because a peer can publish any number of damaged scrapes; others are read each time. */
const maxRemembered = 1000;

/** The scrapes that responses omit, until the cache no longer has them. Each is reported once. */
export class OmittedScrapes {
  readonly #omitted = new Map<Scrape["gzip"], { readonly scrape: Scrape; readonly reason: string }>();
  #additionsUntilPruning = 0;

  constructor(
    private readonly cache: Pick<Cache, "has" | "holds">,
    private readonly report: (fields: Omission & Pick<Scrape, "origin">) => void,
  ) {}

  has({ gzip }: Scrape): boolean {
    return this.#omitted.has(gzip);
  }

  reasonFor({ gzip }: Scrape): string | undefined {
    return this.#omitted.get(gzip)?.reason;
  }

  add(scrape: Scrape, reason: string): void {
    // Other work may have added it in the meantime.
    if (this.has(scrape)) return;
    // Not every time: that would be quadratic.
    if (--this.#additionsUntilPruning <= 0) this.#prune();
    if (this.#omitted.size >= maxRemembered) return;
    this.#omitted.set(scrape.gzip, { scrape, reason });
    this.report({ instance: instanceOf(scrape), origin: scrape.origin, reason });
  }

  /** Those that are still the newest of their targets. */
  list(): Omission[] {
    this.#prune();
    return [...this.#omitted.values()].flatMap(({ scrape, reason }) =>
      this.cache.holds(scrape) ? [{ instance: instanceOf(scrape), reason }] : [],
    );
  }

  /** Forgets the scrapes that no response can contain. */
  #prune(): void {
    for (const [gzip, { scrape }] of this.#omitted) if (!this.cache.has(scrape)) this.#omitted.delete(gzip);
    this.#additionsUntilPruning = maxRemembered - this.#omitted.size / 2;
  }
}
