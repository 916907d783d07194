import type { Scrape } from "../model/scrape.js";

/** A short name that several services answer to. */
export interface NameClash {
  readonly name: string;
  /** The full names of the services, in order; each of them answers for one service alone. */
  readonly jobs: readonly string[];
}

/** The names that entries of more than one service answer to, in order. */
export function findNameClashes(entries: Iterable<Scrape>): NameClash[] {
  const jobs = new Map<string, Set<string>>();
  for (const entry of entries) {
    for (const name of entry.names) {
      const known = jobs.get(name);
      if (known === undefined) jobs.set(name, new Set([entry.job]));
      else known.add(entry.job);
    }
  }
  return [...jobs]
    .filter(([, services]) => services.size > 1)
    .map(([name, services]) => ({ name, jobs: [...services].sort() }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
