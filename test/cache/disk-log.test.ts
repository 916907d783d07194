import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, onTestFinished } from "vitest";
import { Cache } from "../../src/cache/cache.js";
import { DiskLog } from "../../src/cache/disk-log.js";
import { MemoryBudget } from "../../src/memory-budget.js";
import type { Publication } from "../../src/model/publication.js";
import { describeUnless } from "../support/describe-unless.js";
import {
  batch,
  clockAt,
  gzipOf,
  held,
  keepingLogger,
  type ManualClock,
  publishedTarget,
  success,
  swarmDocument,
  targetsDocument,
} from "../support/publications.js";
import { tempFolder } from "../support/temp-folder.js";

const history = 300;

function start(folder: string, clock: ManualClock = clockAt(), maxBytes = 100_000_000) {
  const logger = keepingLogger();
  const budget = new MemoryBudget(maxBytes);
  const cache = new Cache({ clock, logger, budget, staleAfter: 30, history });
  budget.addEvictor((bytesNeeded, origin) => cache.evict(bytesNeeded, origin));
  const log = new DiskLog({ folder, cache, clock, logger, budget, history, maxScrapeBytes: 1_000_000 });
  const listen = () => void cache.addListener({ onComplete: (one) => log.append(one) });
  const add = (publication: Publication, age = 0) => {
    for (const number of cache.add(held(publication, clock.monotonic() - age))) {
      const gzip = gzipOf(`${publication.origin} ${number}\n`.repeat(20));
      if (budget.take(gzip.length)) cache.addScrape(publication.origin, number, gzip);
    }
  };
  return { folder, clock, logger, budget, cache, log, add, listen };
}

/** Starts on a folder as the daemon does. */
async function startLoaded(folder: string, clock?: ManualClock, maxBytes?: number) {
  const parts = start(folder, clock, maxBytes);
  await parts.log.load();
  parts.listen();
  return parts;
}

const segmentsIn = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name.startsWith("segment-"))
    .sort();
const errorsOf = ({ logger }: { logger: ReturnType<typeof keepingLogger> }) =>
  logger.lines.filter(({ level }) => level === "error");

/** Fills a folder: two origins, three cycles, local batches, a swarm document. */
async function filled(clock = clockAt(), folder = tempFolder()) {
  const parts = await startLoaded(folder, clock);
  parts.add(swarmDocument(9, { services: [{ id: "s", name: "web", labels: {} }] }));
  for (const origin of ["node1", "nödé/2".replace("/", "@")]) {
    const time = () => clock.now();
    const targets = ["1", "2", "3"].map((replica) => publishedTarget({ id: `docker:${replica}`, replica }));
    targets.push(publishedTarget({ id: "docker:4", replica: "4", state: "gone" }));
    parts.add(targetsDocument(10, targets, { origin, time: time() }));
    for (const cycle of [0, 1, 2]) {
      const attempts = [
        success("docker:1", 100 + cycle, { ago: 150 }),
        success("docker:2", 200),
        success("docker:4", 400),
      ];
      parts.add(batch(20 + 2 * cycle, attempts, { origin, time: time() }));
      const local = [success("docker:3", 300 + cycle, { ago: 33 })];
      parts.add(batch(21 + 2 * cycle, local, { origin, time: time(), local: true }));
      clock.advance(1001);
    }
  }
  return parts;
}

/** What a cache serves, with ages instead of times of its process. */
function view({ cache, clock }: { cache: Cache; clock: ManualClock }) {
  return {
    scrapes: cache
      .all()
      .map(({ measuredAt, gzip, ...rest }) => ({
        ...rest,
        age: clock.monotonic() - measuredAt,
        gzip: gzip.toString("hex"),
      }))
      .sort((a, b) => (`${a.origin}${a.id}` < `${b.origin}${b.id}` ? -1 : 1)),
    readable: [...cache.feeds()].map(({ origin, scrapes }) => [origin, [...scrapes.all()].length]).sort(),
    targets: [...cache.targets()].map(({ origin, target }) => [origin, target]),
    swarm: cache.swarm,
    publications: [...cache.feeds()].flatMap((feed) =>
      feed.publications().map(({ publication, at }) => [publication, clock.monotonic() - at]),
    ).length,
  };
}

describe("DiskLog", () => {
  it("loads the scrapes, ages and documents that were appended", async () => {
    const parts = await filled();
    await parts.log.close();
    const clock = clockAt(parts.clock.now());
    const again = await startLoaded(parts.folder, clock);
    expect(view(again)).toEqual(view(parts));
    expect(again.cache.fresh()).toHaveLength(3);
    expect(again.budget.used).toBe(parts.budget.used);
    expect(again.logger.lines).toMatchObject([{ message: "cache loaded from disk", fields: { scrapes: 6 } }]);
    for (const name of segmentsIn(parts.folder)) execFileSync("tar", ["-tvf", join(parts.folder, name)]);
  });

  it("adds the time for which no process was running to the ages", async () => {
    const parts = await filled();
    await parts.log.close();
    const clock = clockAt(parts.clock.now() + 20_000);
    const again = await startLoaded(parts.folder, clock);
    const [before, after] = [view(parts).scrapes, view(again).scrapes];
    expect(after.map(({ age }) => age)).toEqual(before.map(({ age }) => age + 20_000));
  });

  it("loads a scrape of an origin whose clock differs with an age that is off by less than a second", async () => {
    const parts = await startLoaded(tempFolder());
    parts.clock.advance(123);
    const time = Date.UTC(2035, 5, 5);
    parts.add(targetsDocument(1, [publishedTarget()], { time }));
    parts.add(batch(2, [success("docker:1", 7, { ago: 50 })], { time }));
    await parts.log.close();
    const again = await startLoaded(parts.folder, clockAt(parts.clock.now()));
    const { age, scrapedAt } = view(again).scrapes[0]!;
    expect(age).toBeGreaterThanOrEqual(50);
    expect(age).toBeLessThan(1050);
    expect(scrapedAt).toBe(time - 50);
  });

  it("loads nothing older than HISTORY except documents", async () => {
    const parts = await filled();
    await parts.log.close();
    const again = await startLoaded(parts.folder, clockAt(parts.clock.now() + history * 1000 + 10_000));
    expect(again.cache.all()).toEqual([]);
    expect(again.cache.swarm?.number).toBe(9);
    expect([...again.cache.targets()]).toHaveLength(8);
  });

  it("keeps local batches local", async () => {
    const parts = await filled();
    await parts.log.close();
    const again = await startLoaded(parts.folder, clockAt(parts.clock.now()));
    const numbers = again.cache
      .feed("node1")!
      .publicationsAbove(0)
      .map(({ publication }) => publication.number);
    expect(numbers).toEqual([9, 10, 20, 22, 24]);
    expect(again.cache.feed("node1")!.batches).toHaveLength(6);
  });

  it("does not append again what it loaded", async () => {
    const parts = await filled();
    await parts.log.close();
    const again = await startLoaded(parts.folder, clockAt(parts.clock.now()));
    again.add(batch(50, [success("docker:2", 200)], { time: again.clock.now() }));
    await again.log.close();
    const last = segmentsIn(parts.folder).at(-1)!;
    const names = execFileSync("tar", ["-tf", join(parts.folder, last)], { encoding: "utf8" });
    expect(names).toMatch(/^node1\/50-[0-9a-f]{8}\.batch\.json\.gz\n$/);
  });

  it("serves only whole scrapes of a process that was killed at any moment", async () => {
    const parts = await filled();
    await parts.log.close();
    const [segment] = segmentsIn(parts.folder);
    const whole = join(parts.folder, segment!);
    const expected = new Map(view(parts).scrapes.map(({ origin, id, gzip }) => [`${origin} ${id}`, gzip]));
    const bytes = readFileSync(whole);
    let mostServed = 0;
    for (let length = 0; length <= bytes.length; length += 37) {
      const folder = tempFolder();
      copyFileSync(whole, join(folder, segment!));
      truncateSync(join(folder, segment!), length);
      const again = start(folder, clockAt(parts.clock.now()));
      await again.log.load();
      for (const { origin, id, gzip, number } of again.cache.all()) {
        expect(gzip.equals(gzipOf(`${origin} ${number}\n`.repeat(20)))).toBe(true);
        expect(expected.has(`${origin} ${id}`)).toBe(true);
      }
      expect(again.cache.all().length).toBeGreaterThanOrEqual(mostServed);
      mostServed = again.cache.all().length;
      for (const feed of again.cache.feeds()) expect(feed.held).toBe(feed.highest);
      expect(errorsOf(again)).toEqual([]);
    }
    expect(mostServed).toBe(6);
  }, 120_000);

  it("drops damaged bytes by their checksum", async () => {
    const parts = await filled();
    await parts.log.close();
    const path = join(parts.folder, segmentsIn(parts.folder)[0]!);
    const bytes = readFileSync(path);
    const wanted = gzipOf("node1 102\n".repeat(20));
    const at = bytes.indexOf(wanted);
    expect(at).toBeGreaterThan(0);
    bytes[at + 15]! ^= 0x10;
    writeFileSync(path, bytes);
    const again = await startLoaded(parts.folder, clockAt(parts.clock.now()));
    expect(again.cache.feed("node1")!.scrapes.newestOf("docker:1")?.number).toBe(101);
    expect(again.cache.all()).toHaveLength(6);
    expect(again.cache.feed("node1")!.held).toBe(again.cache.feed("node1")!.highest);
  });

  it("loads what is whole when any single byte is damaged", async () => {
    const parts = await filled();
    await parts.log.close();
    const [segment] = segmentsIn(parts.folder);
    const bytes = readFileSync(join(parts.folder, segment!));
    for (let at = 11; at < bytes.length; at += 997) {
      const folder = tempFolder();
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1 << (at % 8);
      writeFileSync(join(folder, segment!), damaged);
      const again = start(folder, clockAt(parts.clock.now()));
      await again.log.load();
      for (const { origin, gzip, number } of again.cache.all()) {
        expect(gzip.equals(gzipOf(`${origin} ${number}\n`.repeat(20)))).toBe(true);
      }
    }
  }, 120_000);

  it("removes expired segments and copies forward what is still held", async () => {
    const parts = await startLoaded(tempFolder());
    const { clock, cache, add, log } = parts;
    add(targetsDocument(1, [publishedTarget(), publishedTarget({ id: "docker:2", replica: "2" })]));
    add(swarmDocument(2));
    add(batch(3, [success("docker:1", 7), success("docker:2", 8)], { time: clock.now() }));
    for (let number = 10; number < 50; number++) {
      clock.advance(30_000);
      cache.expire();
      add(batch(number, [success("docker:1", 7), success("docker:2", 100 + number)], { time: clock.now() }));
      await log.written();
    }
    await log.close();
    const segments = segmentsIn(parts.folder);
    expect(segments.length).toBeLessThanOrEqual(3);
    expect(segments).not.toContain("segment-00000001.tar");
    const again = await startLoaded(parts.folder, clockAt(clock.now()));
    expect(view(again)).toEqual(view(parts));
    expect(again.cache.named("web").map(({ number }) => number)).toEqual([7, 149]);
    const names = segments.flatMap((name) =>
      execFileSync("tar", ["-tf", join(parts.folder, name)], { encoding: "utf8" })
        .trim()
        .split("\n"),
    );
    expect(names.filter((name) => name.includes("/7-"))).toHaveLength(1);
  });

  it("copies forward what an earlier process wrote", async () => {
    const parts = await filled();
    await parts.log.close();
    const clock = clockAt(parts.clock.now());
    const again = await startLoaded(parts.folder, clock);
    clock.advance(history * 1000 - 5000);
    again.add(batch(60, [success("docker:2", 200)], { time: clock.now() }));
    clock.advance(10_000);
    again.cache.expire();
    again.add(batch(61, [success("docker:2", 200)], { time: clock.now() }));
    await again.log.close();
    expect(segmentsIn(parts.folder)).toEqual(["segment-00000002.tar"]);
    const third = await startLoaded(parts.folder, clockAt(clock.now()));
    expect(third.cache.fresh().map(({ number }) => number)).toEqual([200]);
    expect(third.cache.swarm?.number).toBe(9);
  });

  it("closes a segment of more than 32 MB", async () => {
    const parts = await startLoaded(tempFolder());
    parts.add(targetsDocument(1, [publishedTarget()]));
    for (let number = 2; number < 42; number++) {
      const gzip = Buffer.alloc(900_000, number);
      parts.cache.add(held(batch(number, [success("docker:1", number)]), parts.clock.monotonic()));
      parts.budget.take(gzip.length);
      parts.cache.addScrape("node1", number, gzip);
    }
    await parts.log.close();
    expect(segmentsIn(parts.folder)).toHaveLength(2);
  });

  it("keeps the scrapes of two origins apart whose names are similar", async () => {
    const parts = await startLoaded(tempFolder());
    for (const origin of ["nodeä", "nodeö"]) {
      parts.add(targetsDocument(1, [publishedTarget()], { origin, time: parts.clock.now() }));
      parts.add(batch(2, [success("docker:1", 7)], { origin, time: parts.clock.now() }));
    }
    await parts.log.close();
    const again = await startLoaded(parts.folder, clockAt(parts.clock.now()));
    expect(view(again)).toEqual(view(parts));
  });

  it("neither follows nor waits for anything but files in place of a segment", async () => {
    const folder = tempFolder();
    const secret = join(tempFolder(), "secret");
    writeFileSync(secret, "secret");
    symlinkSync(secret, join(folder, "segment-00000001.tar"));
    execFileSync("mkfifo", [join(folder, "segment-00000002.tar")]);
    mkdirSync(join(folder, "segment-00000003.tar"));
    writeFileSync(join(folder, "segment-00000004.tar"), "no tar");
    writeFileSync(join(folder, "segment-99999999999999999999.tar"), "");
    const parts = await startLoaded(folder);
    expect(errorsOf(parts)).toEqual([]);
    parts.add(targetsDocument(1, [publishedTarget()], { time: parts.clock.now() }));
    parts.add(batch(2, [success("docker:1", 7)], { time: parts.clock.now() }));
    await parts.log.close();
    expect(errorsOf(parts)).toEqual([]);
    expect(parts.log.failing).toBe(false);
    expect(readFileSync(secret, "utf8")).toBe("secret");
    const again = await startLoaded(folder, clockAt(parts.clock.now()));
    expect(again.cache.fresh()).toHaveLength(1);
  });

  it("removes the files of version 0.1, and no others", async () => {
    const folder = tempFolder();
    const former = ["a1b2.metrics.gz", "origin.json", "service-labels.json", "origin.json.tmp"];
    for (const name of [...former, "notes.txt", "my.json"]) writeFileSync(join(folder, name), "x");
    const parts = await startLoaded(folder);
    expect(readdirSync(folder).sort()).toEqual(["my.json", "notes.txt"]);
    expect(parts.logger.lines).toMatchObject([{ level: "info", fields: { files: 4 } }]);
  });

  it("creates its folder, and again if it is removed", async () => {
    const folder = join(tempFolder(), "a", "b");
    const parts = await startLoaded(folder);
    expect(existsSync(folder)).toBe(true);
    expect(parts.logger.lines).toEqual([]);
  });

  it("neither reads nor writes a folder that others can write to", async () => {
    const source = await filled();
    await source.log.close();
    chmodSync(source.folder, 0o777);
    const parts = await startLoaded(source.folder, clockAt(source.clock.now()));
    expect(parts.cache.all()).toEqual([]);
    const before = segmentsIn(source.folder);
    parts.add(targetsDocument(90, [publishedTarget()], { time: parts.clock.now() }));
    await parts.log.written();
    expect(segmentsIn(source.folder)).toEqual(before);
    expect(errorsOf(parts)).toMatchObject([
      { fields: { error: expect.stringContaining("is writable for other users") } },
    ]);
    chmodSync(source.folder, 0o700);
    for (const number of [91, 92]) parts.add(targetsDocument(number, [], { time: parts.clock.now() }));
    await parts.log.close();
    expect(parts.log.failing).toBe(false);
  });

  it("removes the oldest segments of a log that exceeds four times the memory budget", async () => {
    const parts = await startLoaded(tempFolder(), clockAt(), 12_000_000);
    const { cache, clock, budget, log, add } = parts;
    add(targetsDocument(1, [publishedTarget(), publishedTarget({ id: "docker:2", replica: "2" })]));
    add(swarmDocument(2));
    add(batch(3, [success("docker:2", 3)], { time: clock.now() }));
    const bytes = () =>
      segmentsIn(parts.folder).reduce((sum, name) => sum + statSync(join(parts.folder, name)).size, 0);
    let most = 0;
    for (let number = 4; number < 104; number++) {
      const gzip = Buffer.alloc(1_000_000, number);
      cache.add(held(batch(number, [success("docker:1", number)], { time: clock.now() }), clock.monotonic()));
      expect(budget.take(gzip.length)).toBe(true);
      cache.addScrape("node1", number, gzip);
      await log.written();
      most = Math.max(most, bytes());
    }
    const maxBytes = 48_000_000 + 32 * 1024 * 1024;
    expect(most).toBeGreaterThan(maxBytes - 10_000_000);
    expect(most).toBeLessThan(maxBytes);
    await log.close();
    expect(parts.logger.lines.filter(({ message }) => message.startsWith("cache on disk"))).toMatchObject([
      { level: "warn", fields: { folder: parts.folder, maxBytes } },
    ]);
    expect(log.failing).toBe(false);
    const again = await startLoaded(parts.folder, clockAt(clock.now()), 12_000_000);
    expect(again.cache.named("web").map(({ number }) => number)).toEqual([103]);
    expect([...again.cache.targets()]).toHaveLength(2);
    expect(again.cache.swarm?.number).toBe(2);
  });

  it("loads no more than four times the memory budget, and removes the rest", async () => {
    const parts = await filled();
    await parts.log.close();
    const [older, newer] = [1, 2].map((number) => join(parts.folder, `segment-0000000${number}.tar`));
    copyFileSync(older!, newer!);
    truncateSync(older!, 2 ** 40);
    const again = await startLoaded(parts.folder, clockAt(parts.clock.now()));
    expect(view(again)).toEqual(view(parts));
    expect(statSync(older!).size).toBe(2 ** 40);
    again.add(batch(30, [success("docker:1", 102)], { time: again.clock.now() }));
    await again.log.close();
    expect(existsSync(older!)).toBe(false);
    expect(existsSync(newer!)).toBe(true);
  });

  it("keeps no document in memory that a newer one has replaced", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const parts = await startLoaded(tempFolder());
    const add = (number: number) => {
      const document = held(targetsDocument(number, [publishedTarget()]), parts.clock.monotonic());
      parts.cache.add(document);
      return new WeakRef(document.publication);
    };
    const replaced = add(1);
    add(2);
    await parts.log.written();
    await expect
      .poll(() => {
        collect();
        return replaced.deref();
      })
      .toBeUndefined();
  });

  it("stops writing for a while if more than a quarter of the memory budget waits for the disk", async () => {
    const parts = await startLoaded(tempFolder(), clockAt(), 12_000_000);
    const title = "x".repeat(200_000);
    for (let number = 1; number < 40; number++)
      parts.add(targetsDocument(number, [publishedTarget({ title })]));
    expect(errorsOf(parts)).toMatchObject([{ fields: { error: "too many publications wait for the disk" } }]);
    await parts.log.written();
    parts.add(targetsDocument(40, [publishedTarget()]));
    await parts.log.close();
    expect(parts.log.failing).toBe(false);
    const again = await startLoaded(parts.folder, clockAt(parts.clock.now()));
    expect(again.cache.feed("node1")?.highest).toBe(40);
  });

  it("reports a flood of publications once, and writes all documents once it is over", async () => {
    const parts = await startLoaded(tempFolder(), undefined, 20_000_000);
    let number = 1;
    for (let round = 0; round < 10; round++) {
      for (; number % 200 !== 0; number++) {
        const origin = `node${number % 10}`;
        parts.add(targetsDocument(number, [publishedTarget({ title: "x".repeat(50_000) })], { origin }));
      }
      number++;
      await setImmediate();
    }
    expect(errorsOf(parts)).toHaveLength(1);
    await parts.log.written();
    parts.add(targetsDocument(number, [publishedTarget()]));
    await parts.log.close();
    expect(parts.log.failing).toBe(false);
    expect(errorsOf(parts)).toHaveLength(1);
    const again = await startLoaded(parts.folder, clockAt(parts.clock.now()));
    for (const feed of again.cache.feeds()) expect(feed.held).toBe(parts.cache.feed(feed.origin)!.held);
  });

  it("loads as much as fits into memory", async () => {
    const parts = await filled();
    await parts.log.close();
    const again = await startLoaded(parts.folder, clockAt(parts.clock.now()), parts.budget.used - 200);
    expect(again.budget.used).toBeLessThanOrEqual(again.budget.maxBytes);
    expect(again.cache.all().length).toBeGreaterThan(0);
    for (const feed of again.cache.feeds()) expect(feed.held).toBe(feed.highest);
  });
});

describe("a folder that cannot be written", () => {
  it("is reported once, and the recovery once", async () => {
    const folder = join(tempFolder(), "cache");
    writeFileSync(folder, "a file in place of the folder");
    const parts = await startLoaded(folder);
    expect(parts.log.failing).toBe(true);
    parts.add(targetsDocument(1, [publishedTarget()], { time: parts.clock.now() }));
    parts.add(batch(2, [success("docker:1", 7)], { time: parts.clock.now() }));
    await parts.log.written();
    expect(errorsOf(parts)).toMatchObject([{ message: "cache not written to disk: continuing from memory" }]);
    expect(parts.cache.fresh()).toHaveLength(1);
    execFileSync("rm", [folder]);
    parts.add(batch(3, [success("docker:1", 7)], { time: parts.clock.now() }));
    parts.add(batch(4, [success("docker:1", 7)], { time: parts.clock.now() }));
    await parts.log.close();
    expect(parts.log.failing).toBe(false);
    expect(errorsOf(parts)).toHaveLength(1);
    expect(
      parts.logger.lines.filter(({ message }) => message === "cache written to disk again"),
    ).toHaveLength(1);
    // The documents that could not be written are written then.
    const again = await startLoaded(folder, clockAt(parts.clock.now()));
    expect(again.cache.fresh().map(({ number }) => number)).toEqual([7]);
  });
});

function mount(folder: string, options: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder], { stdio: "ignore" });
    onTestFinished(() => void execFileSync("umount", [folder]));
    return true;
  } catch {
    return false;
  }
}

function canMount(): boolean {
  try {
    const folder = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], { stdio: "ignore" });
    execFileSync("umount", [folder]);
    execFileSync("rmdir", [folder]);
    return true;
  } catch {
    return false;
  }
}

describeUnless(
  canMount() ? undefined : "mounting a tmpfs is not permitted",
  "a full or read-only disk",
  () => {
    it("is reported once when full; the log recovers without loss of what is held", async () => {
      const folder = tempFolder();
      expect(mount(folder, "size=256k,mode=700")).toBe(true);
      const parts = await startLoaded(folder);
      const { clock, cache, budget, log, add } = parts;
      const ballast = join(folder, "ballast");
      add(targetsDocument(1, [publishedTarget()], { time: clock.now() }));
      add(batch(2, [success("docker:1", 7)], { time: clock.now() }));
      await log.written();
      expect(log.failing).toBe(false);
      try {
        writeFileSync(ballast, Buffer.alloc(1_000_000));
      } catch {}
      for (let number = 3; number < 10; number++) {
        const gzip = Buffer.alloc(20_000, number);
        cache.add(
          held(batch(number, [success("docker:1", number)], { time: clock.now() }), clock.monotonic()),
        );
        budget.take(gzip.length);
        cache.addScrape("node1", number, gzip);
        await log.written();
      }
      add(targetsDocument(20, [publishedTarget({ title: "new" })], { time: clock.now() }));
      await log.written();
      expect(log.failing).toBe(true);
      expect(errorsOf(parts)).toHaveLength(1);
      expect(cache.fresh()).toMatchObject([{ number: 9 }]);
      for (const name of segmentsIn(folder)) execFileSync("tar", ["-tf", join(folder, name)]);
      expect(segmentsIn(folder).length).toBeLessThan(3);
      execFileSync("rm", [ballast]);
      add(batch(30, [success("docker:1", 9)], { time: clock.now() }));
      await log.close();
      expect(log.failing).toBe(false);
      expect(
        parts.logger.lines.filter(({ message }) => message === "cache written to disk again"),
      ).toHaveLength(1);
      const again = await startLoaded(folder, clockAt(clock.now()));
      expect(view(again).scrapes).toEqual(view(parts).scrapes);
      expect([...again.cache.targets()].map(({ target }) => target.title)).toEqual(["new"]);
    });

    it("keeps what a segment holds if it cannot be copied forward", async () => {
      const folder = tempFolder();
      expect(mount(folder, "size=256k,mode=700")).toBe(true);
      const { clock, cache, budget, log, add } = await startLoaded(folder);
      add(targetsDocument(1, [publishedTarget()], { time: clock.now() }));
      const gzip = Buffer.alloc(50_000, 7);
      cache.add(held(batch(2, [success("docker:1", 7)], { time: clock.now() }), clock.monotonic()));
      budget.take(gzip.length);
      cache.addScrape("node1", 7, gzip);
      const ballast = join(folder, "ballast");
      let hasFailed = false;
      for (let number = 3; number < 40; number++) {
        clock.advance(30_000);
        cache.expire();
        add(batch(number, [success("docker:1", 7)], { time: clock.now() }));
        await log.written();
        hasFailed ||= log.failing;
        // Enough space for batches, but not for the scrape.
        if (number === 4) writeFileSync(ballast, Buffer.alloc(168_000));
        if (number === 30) execFileSync("rm", [ballast]);
      }
      await log.close();
      expect(hasFailed).toBe(true);
      expect(log.failing).toBe(false);
      const again = await startLoaded(folder, clockAt(clock.now()));
      expect(again.cache.fresh().map(({ number }) => number)).toEqual([7]);
    });

    it("is loaded although it is read-only", async () => {
      const source = await filled();
      await source.log.close();
      const folder = tempFolder();
      expect(mount(folder, "size=4m,mode=700")).toBe(true);
      for (const name of segmentsIn(source.folder)) {
        const torn = Buffer.concat([readFileSync(join(source.folder, name)), Buffer.alloc(100, 1)]);
        writeFileSync(join(folder, name), torn);
      }
      execFileSync("mount", ["-o", "remount,ro", folder]);
      const again = await startLoaded(folder, clockAt(source.clock.now()));
      expect(again.cache.all()).toHaveLength(6);
      again.add(batch(50, [success("docker:2", 200)], { time: again.clock.now() }));
      again.add(batch(51, [success("docker:2", 200)], { time: again.clock.now() }));
      await again.log.close();
      expect(errorsOf(again)).toHaveLength(1);
      expect(again.cache.fresh().length).toBeGreaterThan(0);
    });
  },
);
