import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  paddedBytes,
  readHeader,
  readStream,
  TarError,
  type TarHeader,
} from "../../src/archive/tar-reader.js";
import { encodeMembers, endOfArchive } from "../../src/archive/tar-writer.js";
import { tarHeader, withChecksum } from "../support/publications.js";
import { readArchive } from "../support/read-archive.js";

const mtime = Date.UTC(2026, 0, 1);
const bodies = [
  Buffer.alloc(0),
  Buffer.from("x"),
  Buffer.alloc(512, 2),
  Buffer.alloc(513, 3),
  Buffer.alloc(3000, 4),
];
const members = bodies.map((body, index) => ({ name: `node1/web/${index}/1-00000000.gz`, body, mtime }));
const archive = Buffer.concat(await encodeMembers(members));

async function* pieces(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    yield bytes.subarray(at, Math.max(at, cut));
    at = Math.max(at, cut);
  }
  yield bytes.subarray(at);
}

async function read(
  bytes: Buffer,
  cuts: readonly number[] = [],
  accept: (header: TarHeader) => boolean = () => true,
) {
  const list: { name: string; body: Buffer | undefined }[] = [];
  for await (const { name, body } of readStream(pieces(bytes, cuts), accept)) list.push({ name, body });
  return list;
}

/** Header blocks that our own writer never produces. */
const invalid: [string, Buffer, string][] = [
  ["a symbolic link", tarHeader("a", 0, { 156: "2", 157: "/etc/passwd" }), "not a regular file"],
  ["a hard link", tarHeader("a", 0, { 156: "1", 157: "b" }), "not a regular file"],
  ["a character device", tarHeader("a", 0, { 156: "3" }), "not a regular file"],
  ["a block device", tarHeader("a", 0, { 156: "4" }), "not a regular file"],
  ["a directory", tarHeader("a/", 0, { 156: "5" }), "not a regular file"],
  ["a FIFO", tarHeader("a", 0, { 156: "6" }), "not a regular file"],
  ["a PAX header", tarHeader("a", 100, { 156: "x" }), "not a regular file"],
  ["a global PAX header", tarHeader("a", 100, { 156: "g" }), "not a regular file"],
  ["a long name of GNU tar", tarHeader("././@LongLink", 300, { 156: "L" }), "not a regular file"],
  ["a sparse file", tarHeader("a", 0, { 156: "S" }), "not a regular file"],
  ["a wrong checksum", Buffer.from(tarHeader("a", 1)).fill("b", 0, 1), "invalid checksum"],
  ["a size with the digit 8", tarHeader("a", 0, { 124: "00000000008 " }), "invalid number"],
  ["a negative size", tarHeader("a", 0, { 124: "-0000000001 " }), "invalid number"],
  ["an empty size", tarHeader("a", 0, { 124: "            " }), "invalid number"],
  ["a size in base 256", tarHeader("a", 0, { 124: "\x80\0\0\0\0\0\0\0\0\0\0\x01" }), "invalid number"],
  ["digits after the end of the size", tarHeader("a", 0, { 124: "1\x000000000000" }), "invalid number"],
  ["a modification time that is no number", tarHeader("a", 0, { 136: "zzzzzzzzzzz " }), "invalid number"],
  ["no ustar magic", tarHeader("a", 0, { 257: "xstar" }), "not ustar"],
  ["the old tar format", tarHeader("a", 0, { 257: "\0\0\0\0\0\0" }), "not ustar"],
  ["a name with a line break", tarHeader("a\nb", 0), "invalid name"],
  ["a name with a space", tarHeader("a b", 0), "invalid name"],
  ["a name that is not ASCII", tarHeader("\xc3\xb6", 0), "invalid name"],
  ["a prefix with a control character", tarHeader("a", 0, { 345: "\x1b[2J" }), "invalid name"],
];

describe("readHeader", () => {
  it("reads name, size and modification time", () => {
    const block = archive.subarray(0, 512);
    expect(readHeader(block)).toEqual({ name: members[0]!.name, size: 0, mtime });
  });

  it("joins prefix and name", () => {
    expect(readHeader(tarHeader("c.gz", 3, { 345: "a/b" }))?.name).toBe("a/b/c.gz");
  });

  it("recognises the end of an archive", () => {
    expect(readHeader(endOfArchive.subarray(0, 512))).toBeUndefined();
  });

  it.each(invalid)("rejects %s", (_, block, message) => {
    expect(() => readHeader(block)).toThrow(TarError);
    expect(() => readHeader(block)).toThrow(message);
  });

  it("reads or rejects any block with a correct checksum (property)", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(511), fc.nat(255)), { maxLength: 6 }), (changes) => {
        const block = tarHeader("node1/web/1/1-00000000.gz", 5);
        for (const [at, byte] of changes) block[at] = byte;
        try {
          const header = readHeader(withChecksum(block));
          expect(header?.name).toMatch(/^[\x21-\x7e]*$/);
          expect(Number.isSafeInteger(header?.size) && header!.size >= 0).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(TarError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("paddedBytes", () => {
  it("rounds up to whole blocks", () => {
    expect([0, 1, 512, 513].map(paddedBytes)).toEqual([0, 512, 512, 1024]);
  });
});

describe("readArchive", () => {
  it("reads every member", () => {
    expect([...readArchive(Buffer.concat([archive, endOfArchive]))].map(({ body }) => body)).toEqual(bodies);
  });

  it("does not copy bodies", () => {
    for (const { body } of readArchive(archive)) expect(body.buffer).toBe(archive.buffer);
  });

  it("stops at the last whole member of an archive that is cut off anywhere", () => {
    const ends = [...readArchive(archive)].map(({ end }) => end);
    for (let length = 0; length <= archive.length; length += 7) {
      const whole = ends.filter((end) => end <= length).length;
      expect([...readArchive(archive.subarray(0, length))]).toHaveLength(whole);
    }
  });

  it("stops at a member with an invalid header", () => {
    for (const [, block] of invalid) {
      expect([...readArchive(Buffer.concat([archive, block, archive]))]).toHaveLength(members.length);
    }
  });

  it("stops at a member that states more bytes than there are", () => {
    const huge = tarHeader("a", 8 ** 11 - 1);
    expect([...readArchive(Buffer.concat([huge, archive]))]).toEqual([]);
  });
});

describe("readStream", () => {
  it("reads the same members however the bytes are cut (property)", async () => {
    const expected = members.map(({ name, body }) => ({ name, body }));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(archive.length), { maxLength: 20 }), async (cuts) => {
        expect(await read(archive, cuts)).toEqual(expected);
      }),
    );
  });

  it("reads members from single bytes", async () => {
    const small = archive.subarray(0, 512 + 1024 + 1024);
    expect(await read(small, Array.from(small.keys()))).toEqual(
      members.slice(0, 3).map(({ name, body }) => ({ name, body })),
    );
  });

  it("yields a member once its last byte arrived", async () => {
    const source = pieces(archive, [512, 1536]);
    const stream = readStream(source, () => true);
    expect((await stream.next()).value?.body).toHaveLength(0);
    expect((await stream.next()).value?.body).toHaveLength(1);
  });

  it("skips the body of a member that is not accepted", async () => {
    const list = await read(archive, [700, 701], ({ name }) => name.includes("/3/"));
    expect(list.map(({ body }) => body)).toEqual([undefined, undefined, undefined, bodies[3], undefined]);
  });

  it("ends with what accept throws", async () => {
    const accept = () => {
      throw new Error("not requested");
    };
    await expect(read(archive, [], accept)).rejects.toThrow("not requested");
  });

  it.each(invalid)("rejects %s before it accepts the member", async (_, block, message) => {
    const accepted: string[] = [];
    const accept = ({ name }: TarHeader) => accepted.push(name) > 0;
    await expect(read(Buffer.concat([block, Buffer.alloc(1024)]), [100], accept)).rejects.toThrow(message);
    expect(accepted).toEqual([]);
  });

  it("allocates nothing for a huge member that is not accepted", async () => {
    const sizes: number[] = [];
    const accept = ({ size }: TarHeader) => {
      sizes.push(size);
      return size < 1000;
    };
    expect(await read(Buffer.concat([tarHeader("a", 8 ** 11 - 1), archive]), [], accept)).toEqual([]);
    expect(sizes).toEqual([8 ** 11 - 1]);
  });

  it("rejects the end of an archive, since the stream has none", async () => {
    await expect(read(Buffer.concat([archive, endOfArchive]))).rejects.toThrow("end of archive");
  });

  it("yields no member that is cut off", async () => {
    for (const length of [1, 511, 512 + 600, archive.length - 1]) {
      const whole = [...readArchive(archive.subarray(0, length))].length;
      expect(await read(archive.subarray(0, length))).toHaveLength(whole);
    }
  });
});
