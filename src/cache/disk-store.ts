import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import pLimit from "p-limit";
import { codeOf, describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import type { Scrape } from "../model/scrape.js";
import { decodeEntryFile, encodeEntryFile, maxFileBytes } from "./entry-file.js";
import { keyOf } from "./entry-index.js";
import type { EntryStore } from "./entry-store.js";
import { overwrite } from "./overwrite.js";

const fileSuffix = ".metrics.gz";
const filesAtOnce = 8;
/** Files of one entry: the newest and the one before. */
const filesKept = 2;

export interface DiskStoreOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Inflated size of the largest exposition, in bytes: much larger files are not read. */
  readonly maxBytes: number;
}

/**
 * Entries as files, two each that take turns: the older is written over while the newer stays whole, and a file
 * that is not whole is told by its checksum. Making, renaming and removing files instead takes a multiple of the
 * time, and where one is renamed over another, ext4 writes it to the disk at once.
 *
 * Writing goes on in the background, of one entry only the newest; a disk that fails is told once, and once when
 * it is well again: when all that failed is done.
 */
export class DiskStore implements EntryStore {
  readonly #options: DiskStoreOptions;
  readonly #limit = pLimit(filesAtOnce);
  /** What is to be done for each key: the entry to write, or null to remove its file. */
  readonly #pending = new Map<string, Scrape | null>();
  readonly #busy = new Map<string, Promise<void>>();
  /** The names of each entry's files, the newest last. */
  readonly #files = new Map<string, readonly string[]>();
  /** What failed and was not done since, by key: on a full disk small files go on fitting where large ones do not. */
  readonly #failed = new Map<string, Scrape | null>();
  /** Whether the folder could not be read, and nothing was written since. */
  #folderFailed = false;
  #told = false;

  constructor(options: DiskStoreOptions) {
    this.#options = options;
  }

  /** Whether something that was to be done failed, and was not done since. */
  get failing(): boolean {
    return this.#folderFailed || this.#failed.size > 0;
  }

  /**
   * Reads every entry that is whole in one of its files at least. Torn files, such as a killed process leaves, are
   * removed and counted in the log. A folder that cannot be read is told and gives nothing: the program goes on
   * from memory.
   */
  async load(): Promise<Scrape[]> {
    const { folder, logger } = this.#options;
    let names: string[];
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      names = await readdir(folder);
    } catch (error) {
      this.#folderFailed = true;
      this.#tell(error);
      return [];
    }
    let dropped = 0;
    const read = async (name: string) => {
      const path = join(folder, name);
      try {
        const entry = await this.#read(path);
        if (entry !== undefined) return [{ name, entry }];
        dropped++;
        await rm(path, { force: true });
      } catch (error) {
        // Another user's, from before this proxy ran as its own: it would be in the way for ever.
        if (codeOf(error) === "EACCES") await rm(path, { force: true }).catch(() => undefined);
        logger.warn("a cache file cannot be read and is passed over", {
          file: path,
          error: describeError(error),
        });
      }
      return [];
    };
    const ours = names.filter((name) => name.endsWith(fileSuffix));
    const files = (await Promise.all(ours.map((name) => this.#limit(() => read(name))))).flat();
    if (dropped > 0) logger.info("dropped unfinished cache files", { folder, files: dropped });

    files.sort((a, b) => a.entry.measuredAt - b.entry.measuredAt);
    for (const { name, entry } of files)
      this.#files.set(keyOf(entry), [...this.#namesOf(keyOf(entry)), name]);
    return [...new Map(files.map(({ entry }) => [keyOf(entry), entry])).values()];
  }

  save(entry: Scrape): void {
    this.#schedule(keyOf(entry), entry);
  }

  remove(entry: Pick<Scrape, "origin" | "id">): void {
    this.#schedule(keyOf(entry), null);
  }

  /** Resolves when all that was asked for so far is on disk, or has failed. */
  async flush(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values());
  }

  #schedule(key: string, work: Scrape | null): void {
    this.#pending.set(key, work);
    if (this.#busy.has(key)) return;
    this.#busy.set(
      key,
      this.#limit(() => this.#work(key)),
    );
  }

  async #work(key: string): Promise<void> {
    let well = false;
    for (let work = this.#pending.get(key); work !== undefined; work = this.#pending.get(key)) {
      this.#pending.delete(key);
      try {
        if (work === null) await this.#delete(key);
        else await this.#write(work);
        well = true;
        this.#failed.delete(key);
        this.#folderFailed = false;
      } catch (error) {
        well = false;
        // The last in the order in which it is tried again.
        this.#failed.delete(key);
        this.#failed.set(key, work);
        this.#tell(error);
      }
    }
    this.#busy.delete(key);
    if (!this.failing) this.#recovered();
    else if (well && this.#busy.size === 0) this.#tryAgain();
  }

  /** Tries again one of those that failed: if that goes well, the next follows, else it has time. */
  #tryAgain(): void {
    const [first] = this.#failed;
    if (first !== undefined) this.#schedule(...first);
  }

  async #write(entry: Scrape): Promise<void> {
    const before = this.#namesOf(keyOf(entry));
    const [one, other] = fileNamesOf(entry);
    const name = before.at(-1) === one ? other : one;
    const path = join(this.#options.folder, name);
    const bytes = encodeEntryFile(entry, this.#options.clock);
    await overwrite(path, bytes).catch(async (error) => {
      if (codeOf(error) !== "ENOENT") throw error;
      // Somebody cleaned up the temporary folder under us.
      await mkdir(this.#options.folder, { recursive: true, mode: 0o700 });
      await overwrite(path, bytes);
    });
    const names = [...before.filter((old) => old !== name), name];
    this.#files.set(keyOf(entry), names.slice(-filesKept));
    for (const old of names.slice(0, -filesKept)) await this.#unlink(old);
  }

  async #delete(key: string): Promise<void> {
    for (const name of this.#namesOf(key)) await this.#unlink(name);
    this.#files.delete(key);
  }

  async #unlink(name: string): Promise<void> {
    await rm(join(this.#options.folder, name), { force: true });
  }

  #namesOf(key: string): readonly string[] {
    return this.#files.get(key) ?? [];
  }

  async #read(path: string): Promise<Scrape | undefined> {
    const { size } = await stat(path);
    if (size > maxFileBytes(this.#options.maxBytes)) return undefined;
    return decodeEntryFile(await readFile(path), this.#options.clock);
  }

  #tell(error: unknown): void {
    if (this.#told) return;
    this.#told = true;
    this.#options.logger.error("the cache cannot be kept on disk: going on from memory, and trying again", {
      folder: this.#options.folder,
      error: describeError(error),
    });
  }

  #recovered(): void {
    if (!this.#told) return;
    this.#told = false;
    this.#options.logger.info("the cache is kept on disk again", { folder: this.#options.folder });
  }
}

/** Two names that tell a person what is inside, made unique by the id. */
function fileNamesOf(entry: Scrape): [one: string, other: string] {
  const readable = `${entry.job}.${entry.replica}`.replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^\./, "_");
  const unique = createHash("sha256").update(keyOf(entry)).digest("hex").slice(0, 12);
  const name = `${readable.slice(0, 120)}-${unique}`;
  return [`${name}-a${fileSuffix}`, `${name}-b${fileSuffix}`];
}
