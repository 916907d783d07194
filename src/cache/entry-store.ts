import type { Scrape } from "../model/scrape.js";

/** Where entries are kept beyond the process's life. Neither call fails: a disk in trouble is told by its owner. */
export interface EntryStore {
  save(entry: Scrape): void;
  remove(entry: Pick<Scrape, "origin" | "id">): void;
}
