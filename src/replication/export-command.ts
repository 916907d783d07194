import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { type Pack, pack } from "tar-stream";
import type { Cache } from "../cache/cache.js";
import { AppError } from "../errors.js";
import type { Clock } from "../model/clock.js";
import type { Scrape } from "../model/scrape.js";
import { metadataOf } from "./entry-metadata.js";
import type { SshCommand } from "./ssh/server-connection.js";

const exportsAtOnce = 4;
/** Milliseconds for one export: an archive that is not fetched keeps old expositions in memory. */
const exportMs = 300_000;

/**
 * `export`: the fresh entries of the cache as a tar archive, a file each, for a person. Of each its metadata stands
 * in a PAX header, as JSON under `comment`.
 */
export function createExportCommand(cache: Cache, clock: Clock): SshCommand {
  let running = 0;
  return async (stream, _connection, signal) => {
    if (running >= exportsAtOnce) throw new AppError("too many exports at once: try again in a moment");
    running++;
    const entries = cache.all().filter((entry) => cache.isFresh(entry));
    const archive = pack();
    try {
      await Promise.all([send(archive, stream, signal), fill(archive, entries, clock)]);
    } finally {
      archive.destroy();
      running--;
    }
  };
}

/** Writes at the pace of who reads; ends with an error where that one goes away or takes too long. */
async function send(archive: Pack, stream: Duplex, gone: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([gone, AbortSignal.timeout(exportMs)]);
  for await (const chunk of archive) {
    signal.throwIfAborted();
    if (!stream.write(chunk)) await once(stream, "drain", { signal });
  }
}

async function fill(archive: Pack, entries: readonly Scrape[], clock: Clock): Promise<void> {
  // Each name once: it takes a hash, and to sort asks for each of them many times.
  const files = entries.map((entry) => ({ name: fileNameOf(entry), entry }));
  for (const { name, entry } of files.sort(byName)) {
    if (archive.destroyed) return;
    const header = {
      name,
      mode: 0o600,
      mtime: new Date(entry.scrapedAt),
      pax: { comment: JSON.stringify({ origin: entry.origin, ...metadataOf(entry, clock.monotonic()) }) },
    };
    await new Promise<void>((resolve) => {
      archive.once("close", resolve);
      archive.entry(header, entry.gzip, () => {
        archive.off("close", resolve);
        resolve();
      });
    });
  }
  archive.finalize();
}

/** `<origin>/<job>.<replica>-<unique>.metrics.gz`, in letters that every file system takes. */
function fileNameOf({ origin, job, replica, id }: Scrape): string {
  const plain = (text: string, length: number) =>
    text
      .replace(/[^A-Za-z0-9._-]+/g, "_")
      .replace(/^\.+/, "_")
      .slice(0, length);
  const unique = createHash("sha256").update(`${origin} ${id}`).digest("hex").slice(0, 8);
  return `${plain(origin, 60)}/${plain(`${job}.${replica}`, 70)}-${unique}.metrics.gz`;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
