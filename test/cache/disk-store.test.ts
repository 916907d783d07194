import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DiskStore } from "../../src/cache/disk-store.js";
import { decodeEntryFile, encodeEntryFile } from "../../src/cache/entry-file.js";
import { type Logger, silentLogger } from "../../src/logging.js";
import { entryFor, manualClock } from "../support/entries.js";
import { tempFolder } from "../support/temp-folder.js";

function setUp(folder = tempFolder(), logger: Logger = silentLogger, clock = manualClock()) {
  return { folder, clock, store: new DiskStore({ folder, clock, logger, maxBytes: 1024 * 1024 }) };
}

function linesOf(): Logger & { lines: string[] } {
  const lines: string[] = [];
  const say = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  return { lines, error: say("error"), warn: say("warn"), info: say("info"), debug: say("debug") };
}

describe("an entry's file", () => {
  it("reads back as the same entry, its gzip bytes untouched", () => {
    const clock = manualClock();
    const entry = entryFor(clock, { text: 'http_requests_total{path="/ä"} 7\n'.repeat(50) });
    expect(decodeEntryFile(encodeEntryFile(entry, clock), clock)).toEqual(entry);
  });

  it("shows what is inside to a person with zcat", () => {
    const { folder, clock } = setUp();
    const file = join(folder, "entry.gz");
    writeFileSync(file, encodeEntryFile(entryFor(clock, { text: "up 1\nup_too 2\n" }), clock));
    const shown = execFileSync("zcat", [file], { encoding: "utf8" });
    expect(shown).toMatch(/^# app-metrics-proxy \{.*"job":"shop_web".*\}\nup 1\nup_too 2\n$/);
  });

  it("grows older with the wall clock between two processes, and is never of the future", () => {
    const clock = manualClock();
    const file = encodeEntryFile(entryFor(clock), clock);
    clock.advance(20);
    const aged = decodeEntryFile(file, clock);
    expect(clock.monotonic() - (aged?.measuredAt ?? 0)).toBe(20_000);
    const earlier = manualClock(clock.now() - 3_600_000);
    expect(decodeEntryFile(file, earlier)?.measuredAt).toBe(earlier.monotonic());
  });

  it.each([
    ["ahead", 7_200_000],
    ["behind", -7_200_000],
  ])("grows older by this node's clock, also where that of its origin is two hours %s", (_, offset) => {
    const clock = manualClock();
    const entry = entryFor(clock, { origin: "n2", scrapedAt: clock.now() + offset });
    clock.advance(3);
    const file = encodeEntryFile(entry, clock);
    clock.advance(20);
    const aged = decodeEntryFile(file, clock);
    expect(aged?.scrapedAt).toBe(entry.scrapedAt);
    expect(clock.monotonic() - (aged?.measuredAt ?? 0)).toBe(23_000);
  });

  it("is recognised as torn wherever it is cut, and as damaged whichever byte is changed", () => {
    const clock = manualClock();
    const file = encodeEntryFile(entryFor(clock), clock);
    fc.assert(
      fc.property(fc.nat(file.length - 1), (length) => {
        expect(decodeEntryFile(file.subarray(0, length), clock)).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(file);
        damaged[at]! ^= change;
        const entry = decodeEntryFile(damaged, clock);
        // Block length and its complement, and the length at the end, are not needed to read it.
        if (entry !== undefined) expect(entry).toEqual(decodeEntryFile(file, clock));
      }),
    );
  });

  it("may hold anything at all without an exception", () => {
    const clock = manualClock();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeEntryFile(Buffer.from(bytes), clock)).toBeUndefined();
      }),
    );
  });
});

describe("the disk store", () => {
  it("gives a later process what was saved, and not what was removed", async () => {
    const { folder, clock, store } = setUp();
    const kept = entryFor(clock, { id: "docker:kept" });
    store.save(entryFor(clock, { id: "docker:gone", replica: "2" }));
    store.save(kept);
    store.remove({ origin: "node1", id: "docker:gone" });
    await store.flush();
    expect(await setUp(folder).store.load()).toEqual([kept]);
  });

  it("reads of one entry only the newest, and keeps two files of it at most", async () => {
    const { folder, clock, store } = setUp();
    for (let value = 0; value < 50; value++) {
      clock.advance(1);
      store.save(entryFor(clock, { text: `value ${value}\n` }));
      if (value % 7 === 0) await store.flush();
    }
    await store.flush();
    expect(readdirSync(folder)).toHaveLength(2);
    const [entry] = await setUp(folder).store.load();
    expect(entry?.gzip).toEqual(entryFor(clock, { text: "value 49\n" }).gzip);
  });

  it("drops torn files, and leaves the files of others alone", async () => {
    const { folder, clock, store } = setUp();
    store.save(entryFor(clock));
    await store.flush();
    const [name] = readdirSync(folder);
    truncateSync(join(folder, name!), 150);
    writeFileSync(join(folder, "README"), "mine");
    expect(await setUp(folder).store.load()).toEqual([]);
    expect(readdirSync(folder)).toEqual(["README"]);
  });

  it("has the entry before where the newest is torn, by a process that was killed while writing", async () => {
    const { folder, clock, store } = setUp();
    const save = async (value: number) => {
      const before = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
      clock.advance(10);
      store.save(entryFor(clock, { text: `value ${value}\n`.repeat(value) }));
      await store.flush();
      const written = readdirSync(folder).filter(
        (name) => before.get(name)?.equals(readFileSync(join(folder, name))) !== true,
      );
      expect(written).toHaveLength(1);
      return join(folder, written[0]!);
    };
    for (let value = 1; value < 6; value++) {
      const path = await save(value);
      const whole = readFileSync(path);
      truncateSync(path, whole.length - 9);
      const later = setUp(folder, silentLogger, clock).store;
      const expected = value === 1 ? [] : [`value ${value - 1}\n`.repeat(value - 1)];
      expect((await later.load()).map(({ gzip }) => gunzipSync(gzip).toString())).toEqual(expected);
      writeFileSync(path, whole);
    }
  });

  it("leaves no rest of a longer entry behind a shorter one", async () => {
    const { folder, clock, store } = setUp();
    for (const length of [500, 400, 3, 2, 1]) {
      clock.advance(10);
      store.save(entryFor(clock, { text: "value 1\n".repeat(length) }));
      await store.flush();
      const [entry] = await setUp(folder, silentLogger, clock).store.load();
      expect(entry?.size).toBe(8 * length);
    }
  });

  it("removes the file that an earlier process has written", async () => {
    const { folder, clock, store } = setUp();
    store.save(entryFor(clock));
    await store.flush();
    const later = setUp(folder).store;
    await later.load();
    later.remove({ origin: "node1", id: "docker:1" });
    await later.flush();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("writes names that stay inside its folder, whatever the job is called", async () => {
    const { folder, clock, store } = setUp();
    store.save(entryFor(clock, { job: "../../etc/passwd", replica: ".." }));
    await store.flush();
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it("lets only its own user read what it keeps", async () => {
    const { folder, clock, store } = setUp();
    store.save(entryFor(clock));
    await store.flush();
    const listing = execFileSync("ls", ["-l", folder], { encoding: "utf8" });
    expect(listing).toMatch(/-rw-------/);
  });

  it("says once that the disk fails, goes on, and says once that it is well again", async () => {
    const parent = tempFolder();
    const folder = join(parent, "cache");
    writeFileSync(folder, "a file where the folder should be");
    const logger = linesOf();
    const { clock, store } = setUp(folder, logger);
    expect(await store.load()).toEqual([]);
    store.save(entryFor(clock));
    store.save(entryFor(clock, { id: "docker:2" }));
    await store.flush();
    expect(store.failing).toBe(true);
    rmSync(folder);
    mkdirSync(folder);
    store.save(entryFor(clock));
    await store.flush();
    expect(store.failing).toBe(false);
    expect(logger.lines).toEqual([
      "error: the cache cannot be kept on disk: going on from memory, and trying again",
      "info: the cache is kept on disk again",
    ]);
    chmodSync(folder, 0o700);
    expect(readFileSync(join(folder, readdirSync(folder)[0]!)).length).toBeGreaterThan(0);
  });

  it("says so once, too, where only some files cannot be written, and writes or removes these once they can", async () => {
    const logger = linesOf();
    const { folder, clock, store } = setUp(tempFolder(), logger);
    const [kept, gone, good] = ["kept", "gone", "good"].map((id) => entryFor(clock, { id, replica: id }));
    for (const entry of [kept!, gone!]) store.save(entry);
    await store.flush();
    // What is in their places cannot be written over, nor removed like a file.
    const names = readdirSync(folder);
    const others = names.map((name) => name.replace("-a.", "-b."));
    for (const name of [...names, ...others]) {
      rmSync(join(folder, name), { force: true });
      mkdirSync(join(folder, name));
    }
    for (let cycle = 0; cycle < 3; cycle++) {
      store.save(kept!);
      store.remove(gone!);
      store.save(good!);
      await store.flush();
    }
    expect(store.failing).toBe(true);
    for (const name of [...names, ...others]) rmSync(join(folder, name), { recursive: true });
    store.save(good!);
    await store.flush();
    expect(store.failing).toBe(false);
    expect(logger.lines).toEqual([
      "error: the cache cannot be kept on disk: going on from memory, and trying again",
      "info: the cache is kept on disk again",
    ]);
    const loaded = await setUp(folder).store.load();
    expect(loaded.map(({ id }) => id).sort()).toEqual(["good", "kept"]);
  });
});
