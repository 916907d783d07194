import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { publicationMemberName, scrapeMemberName } from "../../../src/archive/members.js";
import { encodePublication } from "../../../src/archive/publication-json.js";
import { encodeMembers, endOfArchive } from "../../../src/archive/tar-writer.js";
import { Cache } from "../../../src/cache/cache.js";
import { DiskLog } from "../../../src/cache/disk-log.js";
import { silentLogger } from "../../../src/logging.js";
import { MemoryBudget } from "../../../src/memory-budget.js";
import type { Publication } from "../../../src/model/publication.js";
import {
  batch,
  clockAt,
  crc32,
  gzipOf,
  publishedTarget,
  success,
  targetsDocument,
} from "../../support/publications.js";
import { law, type Subject } from "../subject.js";
import { withChecksums } from "./archive.js";

const gzip = gzipOf("x 1\n");
let folder: string | undefined;

/** A file of the cache, as an earlier process or a power failure left it. */
export const subject: Subject = {
  name: "segment",
  async seeds() {
    const clock = clockAt();
    const publications: Publication[] = [
      targetsDocument(5, [publishedTarget(), publishedTarget({ id: "docker:2", replica: "2" })]),
      batch(6, [success("docker:1", 3), success("docker:2", 4)]),
    ];
    const scrapes = [3, 4].map((number) => ({
      name: scrapeMemberName({ origin: "node1", job: "shop_web", replica: "1", number }, crc32(gzip)),
      body: gzip,
      mtime: clock.now(),
    }));
    const members = publications.map((publication) => {
      const { bytes } = encodePublication(publication);
      return { name: publicationMemberName(publication, bytes), body: bytes, mtime: clock.now() };
    });
    const archive = Buffer.concat(await encodeMembers([...scrapes, ...members]));
    return [archive, Buffer.concat([archive, endOfArchive]), archive.subarray(0, 2000), Buffer.alloc(0)];
  },
  words: ["ustar\x0000", "77777777777\0", "\0".repeat(512), "node1/3-", ".batch.json.gz", ".gz\0"],
  async check(input) {
    await load(input);
    await load(withChecksums(input));
  },
};

async function load(input: Buffer): Promise<void> {
  if (folder === undefined) {
    const created = mkdtempSync(join(tmpdir(), "app-metrics-proxy-fuzz-"));
    process.once("exit", () => rmSync(created, { recursive: true, force: true }));
    folder = created;
  }
  const path = join(folder, "segment-00000001.tar");
  writeFileSync(path, input);
  const first = await start(folder);
  const left = readFileSync(path);
  law(left.equals(input.subarray(0, left.length)), "a segment is only truncated");
  law((await start(folder)) === first, "a segment is loaded twice in the same way");
}

async function start(cacheFolder: string): Promise<string> {
  const clock = clockAt();
  const budget = new MemoryBudget(1_000_000);
  const cache = new Cache({ clock, budget, logger: silentLogger, staleAfter: 30, history: 300 });
  const options = { folder: cacheFolder, cache, clock, budget, history: 300, maxScrapeBytes: 100_000 };
  const log = new DiskLog({ ...options, logger: silentLogger });
  await log.load();
  law(!log.failing, "a damaged segment is no failure of the disk");
  for (const feed of cache.feeds()) law(feed.held === feed.highest, "nothing is waited for after a start");
  const served = cache.all().map(({ id, gzip: bytes }) => `${id} ${crc32(bytes)}`);
  clock.advance(600_001);
  cache.expire();
  law(budget.used === 0, "all memory is given back");
  return served.sort().join("\n");
}
