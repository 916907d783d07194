import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { type FileSignatures, fileState, watchFiles } from "../../src/files/watch-file.js";
import { tempFolder } from "../support/temp-folder.js";

const timings = { poll: 60_000, settle: 30 };

async function signatures(...paths: string[]): Promise<FileSignatures> {
  return new Map(
    await Promise.all(paths.map(async (path) => [path, (await fileState(path)).signature] as const)),
  );
}

function watch(known: FileSignatures, next = (current: FileSignatures) => current) {
  const reports: FileSignatures[] = [];
  const stop = new AbortController();
  const report = (current: FileSignatures) => {
    reports.push(current);
    return next(current);
  };
  const ended = watchFiles(known, report, stop.signal, timings);
  onTestFinished(async () => {
    stop.abort();
    await ended;
  });
  return { reports, ended, stop };
}

it("reports a change of any of several files, in any folder, once", async () => {
  const [one, other] = [join(tempFolder(), "one"), join(tempFolder(), "other")];
  writeFileSync(one, "1");
  const { reports } = watch(await signatures(one, other));
  await sleep(100);
  expect(reports).toEqual([]);
  writeFileSync(other, "1");
  await vi.waitFor(() => expect(reports).toHaveLength(1));
  expect(reports[0]).toEqual(await signatures(one, other));
  rmSync(one);
  await vi.waitFor(() => expect(reports).toHaveLength(2));
  await sleep(100);
  expect(reports).toHaveLength(2);
});

it("reports two files that are written shortly after each other together", async () => {
  const folder = tempFolder();
  const [cert, key] = [join(folder, "cert"), join(folder, "key")];
  const { reports } = watch(await signatures(cert, key));
  await sleep(50);
  writeFileSync(cert, "1");
  await sleep(15);
  writeFileSync(key, "1");
  await vi.waitFor(() => expect(reports.length).toBeGreaterThan(0));
  expect(reports[0]).toEqual(await signatures(cert, key));
});

it("reports a file that never stops changing", async () => {
  const file = join(tempFolder(), "file");
  const { reports } = watch(await signatures(file));
  const writing = setInterval(() => writeFileSync(file, String(Math.random())), 5);
  onTestFinished(() => clearInterval(writing));
  await vi.waitFor(() => expect(reports.length).toBeGreaterThan(0), { timeout: 5_000 });
});

it("reports a change between reading and watching", async () => {
  const file = join(tempFolder(), "file");
  const { reports } = watch(new Map([[file, "an earlier state"]]));
  await vi.waitFor(() => expect(reports).toHaveLength(1));
});

it("watches the files that the report returns", async () => {
  const folder = tempFolder();
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  const secondOnly = await signatures(second);
  const { reports } = watch(await signatures(first), (current) =>
    current.has(first) ? secondOnly : current,
  );
  writeFileSync(first, "1");
  await vi.waitFor(() => expect(reports).toHaveLength(1));
  writeFileSync(first, "2");
  writeFileSync(`${second}.new`, "1");
  renameSync(`${second}.new`, second);
  await vi.waitFor(() => expect(reports).toHaveLength(2));
  expect([...(reports[1]?.keys() ?? [])]).toEqual([second]);
});

it("ends at once when the signal aborts", async () => {
  const { ended, stop, reports } = watch(await signatures(join(tempFolder(), "file")));
  await sleep(50);
  stop.abort();
  await ended;
  expect(reports).toEqual([]);
});
