import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type SegmentMember, SegmentReader, SegmentWriter } from "../../src/cache/segment.js";
import { crc32, tarHeader } from "../support/publications.js";
import { tempFolder } from "../support/temp-folder.js";

const mtime = Date.UTC(2026, 0, 1);
const maxBytes = 1_000_000;
const bodies = [Buffer.from("x"), Buffer.alloc(512, 2), Buffer.alloc(3000, 3), Buffer.alloc(0)];
const members = bodies.map((body, index) => ({
  name: `node1/web/${index}/${index + 1}-${crc32(body).toString(16).padStart(8, "0")}.gz`,
  body,
  mtime,
}));

async function written(close = true): Promise<string> {
  const path = join(tempFolder(), "segment.tar");
  const writer = await SegmentWriter.create(path);
  await writer.append(members.slice(0, 2));
  await writer.append(members.slice(2));
  const open = join(tempFolder(), "open.tar");
  copyFileSync(path, open);
  await writer.close();
  return close ? path : open;
}

async function read(path: string): Promise<{ member: SegmentMember; body: Buffer | undefined }[]> {
  const reader = await SegmentReader.open(path);
  try {
    const list = [];
    for (const member of await reader.members(maxBytes))
      list.push({ member, body: await reader.body(member) });
    return list;
  } finally {
    await reader.close();
  }
}

describe("segments", () => {
  it("are read as they were written", async () => {
    const list = await read(await written());
    expect(list.map(({ body }) => body)).toEqual(bodies);
    expect(list.map(({ member }) => [member.origin, member.number, member.size, member.mtime])).toEqual(
      bodies.map(({ length }, index) => ["node1", index + 1, length, mtime]),
    );
  });

  it("are tar files, closed or not, that only this user can read", async () => {
    for (const close of [true, false]) {
      const path = await written(close);
      expect(execFileSync("tar", ["-tf", path], { encoding: "utf8" }).trimEnd().split("\n")).toHaveLength(4);
      expect(statSync(path).mode & 0o777).toBe(0o600);
    }
  });

  it("never replace a file", async () => {
    const path = await written();
    await expect(SegmentWriter.create(path)).rejects.toThrow("EEXIST");
    const link = join(tempFolder(), "segment.tar");
    symlinkSync(path, link);
    await expect(SegmentWriter.create(link)).rejects.toThrow("EEXIST");
  });

  it("count the bytes that were appended", async () => {
    const path = join(tempFolder(), "segment.tar");
    const writer = await SegmentWriter.create(path);
    await writer.append(members);
    expect(statSync(path).size).toBe(writer.size);
    await writer.close();
    expect(statSync(path).size).toBe(writer.size + 1024);
  });

  it("lose only the torn tail of a process that was killed, which is truncated", async () => {
    const whole = readFileSync(await written());
    for (let length = 0; length <= whole.length; length += 37) {
      const path = join(tempFolder(), "segment.tar");
      writeFileSync(path, whole.subarray(0, length));
      const list = await read(path);
      expect(list.map(({ body }) => body)).toEqual(bodies.slice(0, list.length));
      if (list.length > 0) {
        const names = execFileSync("tar", ["-tf", path], { encoding: "utf8" }).trimEnd().split("\n");
        expect(names).toHaveLength(list.length);
      }
      expect(await read(path)).toHaveLength(list.length);
    }
  }, 60_000);

  it("give no body whose bytes were damaged", async () => {
    const path = await written();
    const bytes = readFileSync(path);
    const third = (await read(path))[2]!.member;
    bytes[third.start + 1000]! ^= 1;
    writeFileSync(path, bytes);
    expect((await read(path)).map(({ body }) => body !== undefined)).toEqual([true, true, false, true]);
  });

  it("skip members that have other names", async () => {
    const path = join(tempFolder(), "segment.tar");
    const writer = await SegmentWriter.create(path);
    await writer.append([{ name: "README.txt", body: Buffer.from("x"), mtime }, ...members]);
    await writer.close();
    expect(await read(path)).toHaveLength(4);
  });

  it("allocate nothing for a member that states a huge size", async () => {
    const path = join(tempFolder(), "segment.tar");
    writeFileSync(path, tarHeader("node1/web/1/1-00000000.gz", 8 ** 11 - 1));
    truncateSync(path, 2 ** 34);
    expect(await read(path)).toEqual([]);
  });

  it("are not read through a symbolic link, from a FIFO or from a folder", async () => {
    const folder = tempFolder();
    const path = join(folder, "segment.tar");
    symlinkSync(await written(), path);
    await expect(SegmentReader.open(path)).rejects.toThrow("ELOOP");
    const fifo = join(folder, "fifo.tar");
    execFileSync("mkfifo", [fifo]);
    expect(await read(fifo)).toEqual([]);
    const directory = join(folder, "folder.tar");
    mkdirSync(directory);
    expect(await read(directory)).toEqual([]);
  });
});
