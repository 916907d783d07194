import { deflateRawSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { type Header, pack } from "tar-stream";
import { decodeBatch, encodeBatch, type Received } from "../../../src/replication/batch.js";
import { checkGzip } from "../../../src/replication/check-gzip.js";
import { entryFrom } from "../../../src/replication/entry-metadata.js";
import { defaultLimits, maxGzipBytes } from "../../../src/replication/limits.js";
import { PeerError } from "../../../src/replication/peer-error.js";
import { entryFor, manualClock } from "../../support/entries.js";
import { law, type Subject } from "../subject.js";

/** Stands between metadata and content in an input that is not a whole archive. */
const between = 0x1e;
const block = 512;
const limits = { ...defaultLimits(16 * 1024), messageBytes: 32 * 1024 };
const contents = ["x 1\n", "# TYPE a counter\na_total 1\n", "\n", "not an exposition"].map((text) =>
  gzipSync(text),
);

const metadata = fc.record({
  id: fc.constantFrom("docker:1", "", "a\nb"),
  names: fc.array(fc.constantFrom("web", "a/b", "..", "ö"), { minLength: 1, maxLength: 3 }),
  job: fc.constantFrom("web", "-", "a".repeat(201)),
  replica: fc.constantFrom("1", "\ud800"),
  scope: fc.constantFrom("replicated", "global", "local", "other"),
  contentType: fc.constantFrom(
    "text/plain; version=0.0.4",
    "application/openmetrics-text",
    "text/html",
    "text/plain;\r\nx",
  ),
  size: fc.constantFrom(4, 5, 0, 27, 16 * 1024, 16 * 1024 + 1),
  samples: fc.constantFrom(1, 0, 2),
  url: fc.constantFrom("http://10.0.0.1/metrics", ""),
  scrapedAt: fc.oneof(fc.constant(1_700_000_000_000), fc.double()),
  age: fc.nat(1000),
  duration: fc.double(),
  startedAt: fc.nat(),
  sequence: fc.nat(5),
  gzipBytes: fc.constantFrom(...contents.map(({ length }) => length), 0, 1),
});

/** Archives of entries: whole ones, with header checksums mended, and made of an input's metadata and content. */
export const subject: Subject = {
  name: "batch",
  async seeds() {
    const clock = manualClock();
    const entries = ["x 1\n", "a 1\nb 2\n"].map((text, index) =>
      entryFor(clock, { text, samples: index + 1, id: `docker:${index}`, sequence: index + 1, epoch: 1 }),
    );
    const good = { ...metadataOf(), gzipBytes: contents[0]!.length };
    return [
      Buffer.concat(await encodeBatch(entries, clock.monotonic())),
      Buffer.concat(await encodeBatch(entries.slice(0, 1), clock.monotonic())),
      await tarOf({ name: "../../etc/passwd" }, Buffer.from("x")),
      await tarOf({ name: "entries.gz", type: "symlink", linkname: "/etc/passwd" }, Buffer.alloc(0)),
      ...contents.map((content) =>
        Buffer.concat([
          Buffer.from(JSON.stringify([{ ...good, gzipBytes: content.length }])),
          Buffer.from([between]),
          content,
        ]),
      ),
    ];
  },
  words: [
    "ustar\x0000",
    "entries.gz\0",
    "PaxHeader\0",
    " comment=",
    "12 path=a/b\n",
    "14 size=99999\n",
    "30 comment=AAAA\n",
    "\x1f\x8b\x08\0\0\0\0\0\0\x03",
    "\x80\0\0\0\0\0\0\0\xff\xff\xff\xff",
    "77777777777\0",
    "\0".repeat(512),
    '"gzipBytes":',
    '"size":0,',
    '"names":["a"],',
    "\x1e",
  ],
  madeUp: fc
    .tuple(
      fc.array(metadata, { minLength: 1, maxLength: 3 }),
      fc.array(fc.constantFrom(...contents), { maxLength: 3 }),
    )
    .map(([list, parts]) =>
      Buffer.concat([Buffer.from(JSON.stringify(list)), Buffer.from([between]), ...parts]),
    ),
  async check(input) {
    await read(input);
    await read(withChecksums(input));
    const cut = input.indexOf(between);
    if (cut < 0) return;
    const comment = deflateRawSync(input.subarray(0, cut)).toString("base64");
    await read(await tarOf({ name: "entries.gz", pax: { comment } }, input.subarray(cut + 1)));
  },
};

function metadataOf() {
  return {
    id: "docker:1",
    names: ["web"],
    job: "web",
    replica: "1",
    scope: "replicated",
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    size: 4,
    samples: 1,
    url: "http://10.0.0.1/metrics",
    scrapedAt: 1_700_000_000_000,
    age: 0,
    duration: 0.1,
    startedAt: 1,
    sequence: 1,
  };
}

async function read(archive: Buffer): Promise<void> {
  let received: Received[];
  try {
    received = await decodeBatch(archive, limits);
  } catch (error) {
    if (error instanceof PeerError) return;
    throw error;
  }
  for (const one of received) {
    law(one.gzip.length === one.metadata.gzipBytes, "an entry is as long as its metadata says");
    law(one.metadata.size <= limits.entryBytes, "an entry is within the limit");
    law(one.gzip.length <= maxGzipBytes(limits.entryBytes), "an entry is within the limit");
    try {
      checkGzip(one);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
    }
  }
  const entries = received.map(({ metadata: one, gzip }) =>
    entryFrom(one, gzip, { origin: "a", epoch: 1 }, 1e15),
  );
  const again = await decodeBatch(Buffer.concat(await encodeBatch(entries, 1e15)), limits);
  law(
    JSON.stringify(again) === JSON.stringify(received.map(wholeAge)),
    "a batch is read as it is written",
    () => [again.map(({ metadata: one }) => one), received.map(({ metadata: one }) => one)],
  );
}

/** Ages travel in whole milliseconds. */
function wholeAge({ metadata: one, gzip }: Received): Received {
  return { metadata: { ...one, age: Math.round(1e15 - (1e15 - one.age)) }, gzip };
}

async function tarOf(header: Partial<Header>, content: Buffer): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: "", mtime: new Date(0), ...header }, content);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The same with right checksums in all blocks that look like headers: most damage would else end there. */
function withChecksums(input: Buffer): Buffer {
  const mended = Buffer.from(input);
  for (let at = 0; at + block <= mended.length; at += block) {
    const header = mended.subarray(at, at + block);
    if (header.toString("latin1", 257, 262) !== "ustar") continue;
    header.fill(" ", 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  }
  return mended;
}
