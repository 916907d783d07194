import { setImmediate } from "node:timers/promises";
import { pack } from "tar-stream";

/** A file of a tar archive. */
export interface TarMember {
  /** At most 255 plain characters, with a slash within the last 100: fits a ustar header without extensions. */
  readonly name: string;
  readonly body: Buffer;
  /** Milliseconds since the epoch. */
  readonly mtime: number;
}

/** Two zero blocks end an archive. */
export const endOfArchive = Buffer.alloc(1024);

/** Members that are encoded per pass of the event loop, in about a millisecond. */
const membersPerStep = 100;

/**
 * Encodes members as tar (POSIX ustar), without the end of the archive, so that more members can follow.
 *
 * @returns the pieces, in order; bodies are not copied.
 */
export async function encodeMembers(members: readonly TarMember[]): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  for (let at = 0; at < members.length; at += membersPerStep) {
    if (at > 0) await setImmediate();
    const archive = pack();
    for (const { name, body, mtime } of members.slice(at, at + membersPerStep)) {
      archive.entry({ name, mode: 0o600, mtime: new Date(mtime) }, body);
    }
    archive.finalize();
    for await (const piece of archive) pieces.push(piece as Buffer);
    pieces.pop();
  }
  return pieces;
}
