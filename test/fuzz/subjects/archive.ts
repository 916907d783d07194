import { readStream, TarError, type TarHeader } from "../../../src/archive/tar-reader.js";
import { encodeMembers, endOfArchive } from "../../../src/archive/tar-writer.js";
import { tarHeader, withChecksum } from "../../support/publications.js";
import { readArchive } from "../../support/read-archive.js";
import { inPieces } from "../random.js";
import { law, type Subject } from "../subject.js";

const block = 512;
const maxBytes = 8 * 1024;
const mtime = Date.UTC(2026, 0, 1);

/** Archives of a peer or on disk: the same members however the bytes are cut, up to the first fault. */
export const subject: Subject = {
  name: "archive",
  async seeds() {
    const members = [0, 1, 512, 700].map((size, index) => ({
      name: `node1/web/${index}/1767225600000000-00c0ffee.gz`,
      body: Buffer.alloc(size, index),
      mtime,
    }));
    const archive = Buffer.concat(await encodeMembers(members));
    return [
      archive,
      Buffer.concat([archive, endOfArchive]),
      Buffer.concat([tarHeader("../../etc/passwd", 1), Buffer.alloc(block)]),
      tarHeader("a", 0, { 156: "2", 157: "/etc/passwd" }),
      tarHeader("a", 8 ** 11 - 1),
      Buffer.alloc(0),
    ];
  },
  words: [
    "ustar\x0000",
    "77777777777\0",
    "\x80\0\0\0\0\0\0\0\xff\xff\xff\xff",
    "00000001000 ",
    "\0".repeat(512),
    "x",
    "5",
  ],
  async check(input) {
    await read(input);
    await read(withChecksums(input));
  },
};

async function read(input: Buffer): Promise<void> {
  const inMemory = [...readArchive(input)];
  for (const { name, size, mtime: time, body, end } of inMemory) {
    law(/^[\x21-\x7e]*$/.test(name), "a name is printable ASCII");
    law(body.length === size && end <= input.length && end % block === 0, "a body is whole");
    law(Number.isFinite(time) && time >= 0, "a modification time is a number");
  }
  for (const cut of [0, 1, 2]) {
    const { members, skipped } = await stream(inPieces(input, cut));
    const whole = inMemory.slice(0, members.length);
    law(skipped || members.length === inMemory.length, "the members do not depend on the cut");
    law(
      members.every(({ name, body }, index) => {
        const other = whole[index]!;
        return name === other.name && (body === undefined || body.equals(other.body));
      }),
      "a stream has the members of the archive",
    );
  }
}

async function stream(pieces: readonly Buffer[]) {
  const members: { name: string; body: Buffer | undefined }[] = [];
  let skipped = false;
  const accept = ({ size }: TarHeader) => {
    if (size > maxBytes) skipped = true;
    return size <= maxBytes;
  };
  async function* chunks() {
    yield* pieces;
  }
  try {
    for await (const { name, body } of readStream(chunks(), accept)) members.push({ name, body });
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
  }
  return { members, skipped };
}

/** The same with correct checksums in all blocks that look like headers: most damage would end there otherwise. */
export function withChecksums(input: Buffer): Buffer {
  const changed = Buffer.from(input);
  for (let at = 0; at + block <= changed.length; at += block) {
    const header = changed.subarray(at, at + block);
    if (header.toString("latin1", 257, 262) === "ustar") withChecksum(header);
  }
  return changed;
}
