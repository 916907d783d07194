import { crc32, gzipSync } from "node:zlib";
import { decodeEntryFile, encodeEntryFile } from "../../../src/cache/entry-file.js";
import type { Scrape } from "../../../src/model/scrape.js";
import { entryFor, manualClock } from "../../support/entries.js";
import { law, type Subject } from "../subject.js";

/** Stands between metadata and gzip bytes in an input that is not a whole file. */
const between = 0x1e;
const headerBytes = 15;
const clock = manualClock();

/** Files of the cache: as they are, with lengths and checksums mended, and made of an input's metadata and bytes. */
export const subject: Subject = {
  name: "entry-file",
  seeds() {
    const entries = [
      entryFor(clock, { text: "x 1\n" }),
      entryFor(clock, { names: ["ö", "a/b"], epoch: 7, sequence: 9, renewed: 11, startedAt: 5 }),
    ];
    return [
      ...entries.map((entry) => encodeEntryFile(entry, clock)),
      ...entries.map((entry) =>
        Buffer.concat([lineOf(encodeEntryFile(entry, clock)), Buffer.from([between]), entry.gzip]),
      ),
    ];
  },
  words: [
    "# app-metrics-proxy ",
    '{"version":2,',
    '"gzipBytes":24,',
    '"scrapedAt":"2026-01-01T00:00:00.000Z",',
    '"scrapedAt":"+275760-09-13T00:00:00.001Z",',
    '"scrapedAt":"2026-02-30T25:61:61Z",',
    '"stack":null,',
    '"names":[],',
    '"names":["__proto__"],',
    '"__proto__":{"gzip":"x"},',
    '"gzip":"x",',
    '"measuredAt":1,',
    '"clockAhead":7200000,',
    '"clockAhead":-1e308,',
    '"clockAhead":1e308,',
    "1e308",
    "-1",
    "\\ud800",
    "\n",
    "\x1f\x8b\x08\0\0\0\0\0\0\xff",
  ],
  check(input) {
    read(input);
    read(mended(input));
    const cut = input.indexOf(between);
    if (cut >= 0) read(fileOf(input.subarray(0, cut), input.subarray(cut + 1)));
  },
};

function read(file: Buffer): void {
  const before = Buffer.from(file);
  const entry = decodeEntryFile(file, clock);
  law(before.equals(file), "a file is never changed");
  if (entry === undefined) return;
  law(Buffer.isBuffer(entry.gzip), "the bytes are those of the file");
  for (const number of [entry.scrapedAt, entry.measuredAt, entry.startedAt, entry.duration]) {
    law(Number.isFinite(number), "times are numbers", () => entry);
  }
  law(entry.measuredAt <= clock.monotonic(), "an age is not below 0");
  const again = decodeEntryFile(encodeEntryFile(entry, clock), clock);
  law(again !== undefined && sameEntry(again, entry), "an entry is read as it is written", () => [
    entry,
    again,
  ]);
}

/** The age is kept in whole milliseconds. */
function sameEntry(one: Scrape, other: Scrape): boolean {
  const [some, others] = [one, other].map(({ gzip, measuredAt: _, ...rest }) =>
    JSON.stringify([...Object.entries(rest).sort(), gzip.toString("hex")]),
  );
  return some === others && Math.abs(one.measuredAt - other.measuredAt) <= 1;
}

/** The metadata of a file, as JSON. */
function lineOf(file: Buffer): Buffer {
  const line = file.subarray(headerBytes, headerBytes + file.readUInt16LE(11));
  return line.subarray(line.indexOf("{"), line.length - 1);
}

/** A file whose frame says what is in it. */
function fileOf(metadata: Buffer, gzip: Buffer): Buffer {
  const text = metadata
    .toString("latin1")
    .replace(/"gzipBytes":\d+/, `"gzipBytes":${gzip.length}`)
    .replace(/"gzipCrc32":\d+/, `"gzipCrc32":${crc32(gzip)}`);
  const line = Buffer.from(`# app-metrics-proxy ${text}\n`, "latin1").subarray(0, 0xffff);
  const frame = Buffer.alloc(headerBytes + line.length + 8);
  Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1]).copy(frame);
  frame.writeUInt16LE(line.length, 11);
  line.copy(frame, headerBytes);
  frame.writeUInt32LE(crc32(line), headerBytes + line.length);
  return Buffer.concat([frame, gzip]);
}

/** The same file with the right checksum of its metadata, where there is room for one. */
function mended(input: Buffer): Buffer {
  if (input.length < headerBytes) return gzipSync(input);
  const file = Buffer.from(input);
  const end = headerBytes + file.readUInt16LE(11);
  if (end + 4 <= file.length) file.writeUInt32LE(crc32(file.subarray(headerBytes, end)), end);
  return file;
}
