import type { Scrape } from "../model/scrape.js";

/** A short name that several services share. */
export interface NameClash {
  readonly name: string;
  /** The full names of the services, sorted. */
  readonly jobs: readonly string[];
}

/**
 * The names shared by scrapes of several services, sorted.
 *
 * @param services the scrapes under each name, as `Cache.services` returns them.
 */
export function findNameClashes(
  services: Iterable<readonly [name: string, scrapes: Iterable<Scrape | undefined>]>,
): NameClash[] {
  const clashes: NameClash[] = [];
  for (const [name, scrapes] of services) {
    const jobs = new Set<string>();
    for (const scrape of scrapes) if (scrape !== undefined) jobs.add(scrape.job);
    if (jobs.size > 1) clashes.push({ name, jobs: [...jobs].sort() });
  }
  return clashes.sort((a, b) => (a.name < b.name ? -1 : 1));
}
