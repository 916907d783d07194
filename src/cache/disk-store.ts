import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pLimit from "p-limit";
import { codeOf, describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import type { Entry } from "../model/entry.js";
import { decodeEntryFile, encodeEntryFile, maxFileBytes } from "./entry-file.js";
import { keyOf } from "./entry-index.js";
import type { EntryStore } from "./entry-store.js";

const fileSuffix = ".metrics.gz";
const temporarySuffix = ".tmp";
const filesAtOnce = 8;

export interface DiskStoreOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Inflated size of the largest exposition, in bytes: much larger files are not read. */
  readonly maxBytes: number;
}

/**
 * Entries as files, one each, written beside and renamed, so that a file is whole or not there. Writing goes on
 * in the background, of one entry only the newest; a disk that fails is told once, and once when it is well again.
 */
export class DiskStore implements EntryStore {
  readonly #options: DiskStoreOptions;
  readonly #limit = pLimit(filesAtOnce);
  /** What is to be done for each key: the entry to write, or null to remove its file. */
  readonly #pending = new Map<string, Entry | null>();
  readonly #busy = new Map<string, Promise<void>>();
  readonly #files = new Map<string, string>();
  #failing = false;

  constructor(options: DiskStoreOptions) {
    this.#options = options;
  }

  /** Whether the last attempt to write failed. */
  get failing(): boolean {
    return this.#failing;
  }

  /**
   * Reads every whole entry. Torn files, and what a killed process left half written, are removed and counted
   * in the log. A folder that cannot be read is told and gives nothing: the program goes on from memory.
   */
  async load(): Promise<Entry[]> {
    const { folder, logger } = this.#options;
    let names: string[];
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      names = await readdir(folder);
    } catch (error) {
      this.#tell(error);
      return [];
    }
    let dropped = 0;
    const drop = async (path: string) => {
      dropped++;
      await rm(path, { force: true });
    };
    const read = async (name: string): Promise<Entry | undefined> => {
      const path = join(folder, name);
      try {
        const ours = name.endsWith(fileSuffix) || name.endsWith(temporarySuffix);
        const entry = name.endsWith(fileSuffix) ? await this.#read(path) : undefined;
        if (entry !== undefined) this.#files.set(keyOf(entry), name);
        else if (ours) await drop(path);
        return entry;
      } catch (error) {
        logger.warn("a cache file cannot be read and is passed over", {
          file: path,
          error: describeError(error),
        });
        return undefined;
      }
    };
    const entries = await Promise.all(names.map((name) => this.#limit(() => read(name))));
    if (dropped > 0) logger.info("dropped unfinished cache files", { folder, files: dropped });
    return entries.filter((entry) => entry !== undefined);
  }

  save(entry: Entry): void {
    this.#schedule(keyOf(entry), entry);
  }

  remove(entry: Pick<Entry, "origin" | "id">): void {
    this.#schedule(keyOf(entry), null);
  }

  /** Resolves when all that was asked for so far is on disk, or has failed. */
  async flush(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values());
  }

  #schedule(key: string, work: Entry | null): void {
    this.#pending.set(key, work);
    if (this.#busy.has(key)) return;
    this.#busy.set(
      key,
      this.#limit(() => this.#work(key)),
    );
  }

  async #work(key: string): Promise<void> {
    for (let work = this.#pending.get(key); work !== undefined; work = this.#pending.get(key)) {
      this.#pending.delete(key);
      try {
        if (work === null) await this.#delete(key);
        else await this.#write(work);
        if (this.#failing) this.#recovered();
      } catch (error) {
        this.#tell(error);
      }
    }
    this.#busy.delete(key);
  }

  async #write(entry: Entry): Promise<void> {
    const name = fileNameOf(entry);
    const path = join(this.#options.folder, name);
    const temporary = path + temporarySuffix;
    const bytes = encodeEntryFile(entry);
    try {
      await writeFile(temporary, bytes, { mode: 0o600 }).catch(async (error) => {
        if (codeOf(error) !== "ENOENT") throw error;
        // Somebody cleaned up the temporary folder under us.
        await mkdir(this.#options.folder, { recursive: true, mode: 0o700 });
        await writeFile(temporary, bytes, { mode: 0o600 });
      });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    const before = this.#files.get(keyOf(entry));
    this.#files.set(keyOf(entry), name);
    if (before !== undefined && before !== name)
      await rm(join(this.#options.folder, before), { force: true });
  }

  async #delete(key: string): Promise<void> {
    const name = this.#files.get(key);
    if (name === undefined) return;
    await rm(join(this.#options.folder, name), { force: true });
    this.#files.delete(key);
  }

  async #read(path: string): Promise<Entry | undefined> {
    const { size } = await stat(path);
    if (size > maxFileBytes(this.#options.maxBytes)) return undefined;
    return decodeEntryFile(await readFile(path), this.#options.clock);
  }

  #tell(error: unknown): void {
    if (this.#failing) return;
    this.#failing = true;
    this.#options.logger.error("the cache cannot be kept on disk: going on from memory, and trying again", {
      folder: this.#options.folder,
      error: describeError(error),
    });
  }

  #recovered(): void {
    this.#failing = false;
    this.#options.logger.info("the cache is kept on disk again", { folder: this.#options.folder });
  }
}

/** A name that tells a person what is inside, made unique by the id. */
function fileNameOf(entry: Entry): string {
  const readable = `${entry.job}.${entry.replica}`.replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^\./, "_");
  const unique = createHash("sha256").update(keyOf(entry)).digest("hex").slice(0, 12);
  return `${readable.slice(0, 120)}-${unique}${fileSuffix}`;
}
