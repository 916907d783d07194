import type { Scrape } from "../model/scrape.js";

/** A short name that several services share. */
export interface NameClash {
  readonly name: string;
  /** The full names of the services, sorted. */
  readonly jobs: readonly string[];
}

/** The names shared by scrapes of several services, sorted. */
export function findNameClashes(scrapes: Iterable<Scrape>): NameClash[] {
  const jobs = new Map<string, Set<string>>();
  for (const scrape of scrapes) {
    for (const name of scrape.names) {
      const known = jobs.get(name);
      if (known === undefined) jobs.set(name, new Set([scrape.job]));
      else known.add(scrape.job);
    }
  }
  return [...jobs]
    .filter(([, services]) => services.size > 1)
    .map(([name, services]) => ({ name, jobs: [...services].sort() }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
