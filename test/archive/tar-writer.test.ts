import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeMembers, endOfArchive, type TarMember } from "../../src/archive/tar-writer.js";
import { readArchive } from "../support/read-archive.js";
import { tempFolder } from "../support/temp-folder.js";

const mtime = Date.UTC(2026, 0, 1);

async function archiveOf(members: readonly TarMember[]): Promise<Buffer> {
  return Buffer.concat(await encodeMembers(members));
}

function list(archive: Buffer): string[] {
  const file = join(tempFolder(), "archive.tar");
  writeFileSync(file, archive);
  return execFileSync("tar", ["-tvf", file], {
    encoding: "utf8",
    env: { TZ: "UTC", PATH: process.env["PATH"] },
  })
    .trimEnd()
    .split("\n");
}

describe("encodeMembers", () => {
  it("writes an archive that GNU tar lists", async () => {
    const long = `${"o".repeat(60)}/${"j".repeat(60)}/${"r".repeat(40)}/1-00000000.gz`;
    const archive = await archiveOf([
      { name: "node1/web/1/1767225600000000-00c0ffee.gz", body: Buffer.alloc(700, 1), mtime },
      { name: "node1/1767225600000001-00000000.batch.json.gz", body: Buffer.alloc(0), mtime },
      { name: long, body: Buffer.alloc(512), mtime },
    ]);
    const lines = list(Buffer.concat([archive, endOfArchive]));
    expect(lines.map((line) => line.split(/\s+/))).toEqual([
      ["-rw-------", "0/0", "700", "2026-01-01", "00:00", "node1/web/1/1767225600000000-00c0ffee.gz"],
      ["-rw-------", "0/0", "0", "2026-01-01", "00:00", "node1/1767225600000001-00000000.batch.json.gz"],
      ["-rw-------", "0/0", "512", "2026-01-01", "00:00", long],
    ]);
  });

  it("lets GNU tar extract the bodies", async () => {
    const folder = tempFolder();
    const file = join(folder, "archive.tar");
    const body = Buffer.from("some bytes");
    writeFileSync(
      file,
      Buffer.concat([await archiveOf([{ name: "a/b/c/d.gz", body, mtime }]), endOfArchive]),
    );
    expect(execFileSync("tar", ["-xOf", file, "a/b/c/d.gz"])).toEqual(body);
  });

  it("omits the end of the archive, so that archives can be joined", async () => {
    const one = await archiveOf([{ name: "a/1.gz", body: Buffer.from("1"), mtime }]);
    const other = await archiveOf([{ name: "b/2.gz", body: Buffer.from("2"), mtime }]);
    expect(list(Buffer.concat([one, other]))).toHaveLength(2);
    expect(await archiveOf([])).toHaveLength(0);
  });

  it("writes what readArchive reads (property)", async () => {
    const member = fc.record({
      name: fc.stringMatching(
        /^[a-z0-9._@-]{1,60}\/[a-z0-9._@-]{1,60}\/[a-z0-9._@-]{1,40}\/[a-z0-9-]{1,27}$/,
      ),
      body: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
      mtime: fc.integer({ min: 0, max: 2 ** 31 - 1 }).map((seconds) => seconds * 1000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(member, { maxLength: 5 }), async (members) => {
        const archive = await archiveOf(members);
        expect(archive.length % 512).toBe(0);
        const read = [...readArchive(archive)];
        expect(read.map(({ name, body, mtime }) => ({ name, body, mtime }))).toEqual(members);
        expect(read.at(-1)?.end ?? 0).toBe(archive.length);
      }),
    );
  });

  it("does not copy bodies", async () => {
    const body = Buffer.alloc(10_000, 7);
    expect(await encodeMembers([{ name: "a/b.gz", body, mtime }])).toContain(body);
  });
});
