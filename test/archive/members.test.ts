import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  plainOrigin,
  publicationMemberName,
  readMemberName,
  scrapeMemberName,
} from "../../src/archive/members.js";
import { encodeMembers } from "../../src/archive/tar-writer.js";
import { anyNumber, anyOrigin, anySegment, crc32 } from "../support/publications.js";
import { readArchive } from "../support/read-archive.js";

const anyCrc = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const anyKind = fc.constantFrom("batch" as const, "targets" as const, "swarm" as const);

/** The name that a reader gets; fails if the member takes more than one header block. */
async function throughTar(name: string): Promise<string | undefined> {
  const archive = Buffer.concat(await encodeMembers([{ name, body: Buffer.alloc(0), mtime: 0 }]));
  expect(archive).toHaveLength(512);
  return [...readArchive(archive)][0]?.name;
}

describe("names of members", () => {
  it("have the documented form", () => {
    const scrape = { origin: "node1", job: "shop_web", replica: "1", number: 17 };
    expect(scrapeMemberName(scrape, 0xbeef)).toBe("node1/shop_web/1/17-0000beef.gz");
    const body = Buffer.from("x");
    const crc = crc32(body).toString(16).padStart(8, "0");
    expect(publicationMemberName({ origin: "node1", number: 18, kind: "batch" }, body)).toBe(
      `node1/18-${crc}.batch.json.gz`,
    );
  });

  it("of scrapes round-trip within one ustar header for any origin, job and replica (property)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ origin: anyOrigin, job: anySegment, replica: anySegment, number: anyNumber }),
        anyCrc,
        async (scrape, crc) => {
          const name = scrapeMemberName(scrape, crc);
          expect(name).toMatch(/^[A-Za-z0-9._@/-]+$/);
          expect(name.split("/")).toHaveLength(4);
          for (const part of name.split("/")) expect(part).toMatch(/^[^.]/);
          expect(await throughTar(name)).toBe(name);
          expect(readMemberName(name)).toEqual({
            origin: plainOrigin(scrape.origin),
            number: scrape.number,
            crc,
          });
        },
      ),
    );
  });

  it("of publications round-trip within one ustar header (property)", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyOrigin,
        anyNumber,
        anyKind,
        fc.uint8Array(),
        async (origin, number, kind, bytes) => {
          const body = Buffer.from(bytes);
          const name = publicationMemberName({ origin, number, kind }, body);
          expect(await throughTar(name)).toBe(name);
          expect(readMemberName(name)).toEqual({
            origin: plainOrigin(origin),
            number,
            kind,
            crc: crc32(body),
          });
        },
      ),
    );
  });

  it("keep origins apart whose plain characters are the same", () => {
    const pairs = [
      ["nodeä", "nodeö"],
      [`${"n".repeat(60)}1`, `${"n".repeat(60)}2`],
      ["node1@[::1]:80", "node1@[::]:180"],
      ["a b", "a_b"],
    ] as const;
    for (const [one, other] of pairs) expect(plainOrigin(one)).not.toBe(plainOrigin(other));
  });

  it("keep the names of ordinary hosts", () => {
    for (const origin of ["node1", "ip-10-0-0-1.eu-central-1.compute.internal", "n_1"]) {
      expect(plainOrigin(origin)).toBe(origin);
    }
  });
});

describe("readMemberName", () => {
  it.each([
    "",
    "17-0000beef.gz",
    "node1/web/17-0000beef.gz",
    "node1/web/1/2/17-0000beef.gz",
    "node1/web/1/17-0000beef",
    "node1/web/1/17-beef.gz",
    "node1/web/1/17-0000BEEF.gz",
    "node1/web/1/0-0000beef.gz",
    "node1/web/1/4503599627370496-0000beef.gz",
    "node1/web/1/99999999999999999-0000beef.gz",
    "node1/web/1/-1-0000beef.gz",
    "node1/web/1/17-0000beef.gz\n",
    "../../etc/17-0000beef.gz/x",
    "node1/17-0000beef.other.json.gz",
  ])("rejects %j", (name) => {
    expect(readMemberName(name)).toBeUndefined();
  });

  it("never fails (property)", () => {
    fc.assert(fc.property(fc.string(), (name) => void readMemberName(name)));
  });
});
