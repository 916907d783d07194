import type { Entry } from "../model/entry.js";

/** Where entries are kept beyond the process's life. Neither call fails: a disk in trouble is told by its owner. */
export interface EntryStore {
  save(entry: Entry): void;
  remove(entry: Pick<Entry, "origin" | "id">): void;
}
