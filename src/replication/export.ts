import { once } from "node:events";
import type { Duplex } from "node:stream";
import { encodeMembers, endOfArchive } from "../archive/tar-writer.js";
import type { Cache } from "../cache/cache.js";
import { AppError } from "../errors.js";
import type { Clock } from "../model/clock.js";
import type { SshCommand } from "./ssh/server-connection.js";

const maxExports = 4;
/** Milliseconds for one export, which keeps old scrapes in memory until it is read. */
const exportMs = 300_000;

/** `export`: all scrapes of the cache with their batches and documents, as a tar archive. */
export function createExportCommand(cache: Cache, clock: Clock): SshCommand {
  let running = 0;
  return async (stream, _connection, ended) => {
    if (running >= maxExports) throw new AppError(`too many exports (limit ${maxExports}): try again later`);
    running++;
    const signal = AbortSignal.any([ended, AbortSignal.timeout(exportMs)]);
    try {
      const members = [...cache.feeds()].flatMap((feed) => feed.members(clock));
      members.sort((a, b) => (a.name < b.name ? -1 : 1));
      for (const piece of await encodeMembers(members)) await write(stream, piece, signal);
      await write(stream, endOfArchive, signal);
    } finally {
      running--;
    }
  };
}

/** Writes at the speed of the client. Throws if the client disconnects or takes too long. */
async function write(stream: Duplex, bytes: Buffer, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!stream.write(bytes)) await once(stream, "drain", { signal });
}
