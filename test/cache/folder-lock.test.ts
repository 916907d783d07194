import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { UnsafeFolderError } from "../../src/cache/cache-folder.js";
import { FolderLockedError, lockFolder } from "../../src/cache/folder-lock.js";
import { tempFolder } from "../support/temp-folder.js";

/** Locks a folder and releases the lock when the test is done. */
async function lock(folder: string): Promise<() => Promise<void>> {
  const unlock = await lockFolder(folder);
  onTestFinished(unlock);
  return unlock;
}

/** Leaves the socket of a process that was killed in the folder. */
async function leaveStaleSocket(folder: string): Promise<void> {
  const listen = `require("node:net").createServer().listen(${JSON.stringify(join(folder, "lock"))}, () => console.log("listening"))`;
  const child = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(statSync(join(folder, "lock")).isSocket()).toBe(true);
}

/** Makes a folder read-only. Root ignores permissions, so the test continues as another user. */
function makeReadOnly(folder: string): void {
  chmodSync(dirname(folder), 0o755);
  chmodSync(folder, 0o555);
  onTestFinished(() => chmodSync(folder, 0o755));
  if (process.getuid?.() !== 0) return;
  process.seteuid?.(65_534);
  onTestFinished(() => process.seteuid?.(0));
}

describe("the lock of a folder", () => {
  it("refuses a second process, with what to do, until the first one releases it", async () => {
    const folder = tempFolder();
    const unlock = await lock(folder);
    const second = lockFolder(folder);
    await expect(second).rejects.toThrow(FolderLockedError);
    await expect(second).rejects.toThrow(
      `CACHE_DIR ${folder} is used by another proxy: give each proxy its own folder`,
    );
    await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError);
    expect(readdirSync(folder)).toEqual(["lock"]);
    await unlock();
    await lock(folder);
  });

  it("is the same through another path, such as another mount of the volume", async () => {
    const folder = tempFolder();
    const link = join(tempFolder(), "link");
    symlinkSync(folder, link);
    await lock(folder);
    await expect(lockFolder(link)).rejects.toThrow(FolderLockedError);
  });

  it("does not concern other folders", async () => {
    await lock(tempFolder());
    await lock(tempFolder());
  });

  it("holds in a folder that did not exist", async () => {
    const folder = join(tempFolder(), "new", "cache");
    await lock(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError);
  });

  it("holds in a folder whose path is longer than that of a socket may be", async () => {
    const folder = join(tempFolder(), "x".repeat(120), "cache");
    const unlock = await lock(folder);
    await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError);
    expect(readdirSync(folder)).toEqual(["lock"]);
    await unlock();
    expect(readdirSync(folder)).toEqual([]);
    await lock(folder);
  });

  it("is refused in a folder that others can write to", async () => {
    const folder = tempFolder();
    chmodSync(folder, 0o1777);
    await expect(lockFolder(folder)).rejects.toThrow(UnsafeFolderError);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("leaves no file after its release", async () => {
    const folder = tempFolder();
    const unlock = await lock(folder);
    await unlock();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("can be released twice, and then does not affect the next owner", async () => {
    const folder = tempFolder();
    const unlock = await lock(folder);
    await unlock();
    await lock(folder);
    await unlock();
    await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError);
  });

  it("of a process that was killed does not count", async () => {
    const folder = tempFolder();
    await leaveStaleSocket(folder);
    await lock(folder);
    await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError);
  });

  it.each(["a new folder", "a folder with the socket of a killed process"])(
    "is given to one of several processes that start at once in %s",
    async (kind) => {
      for (let round = 0; round < 5; round++) {
        const folder = tempFolder();
        if (kind !== "a new folder") await leaveStaleSocket(folder);
        const results = await Promise.allSettled([1, 2, 3].map(() => lock(folder)));
        expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
        await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError);
      }
    },
  );
});

describe("a read-only folder", () => {
  it("is not locked", async () => {
    const folder = join(tempFolder(), "cache");
    mkdirSync(folder);
    makeReadOnly(folder);
    await lock(folder);
    await lock(folder);
  });

  it("is not locked if it has the socket of a killed process", async () => {
    const folder = join(tempFolder(), "cache");
    mkdirSync(folder);
    await leaveStaleSocket(folder);
    makeReadOnly(folder);
    await lock(folder);
  });
});
