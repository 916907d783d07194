import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { prepareCacheFolder, UnsafeFolderError } from "../../src/cache/cache-folder.js";
import { describeUnless } from "../support/describe-unless.js";
import { tempFolder } from "../support/temp-folder.js";

const user = process.geteuid?.() ?? 0;

/** A folder with a mode, whatever the umask. */
function folderWithMode(path: string, mode: number): string {
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

async function expectRefusal(folder: string, reason: string): Promise<void> {
  const prepared = prepareCacheFolder(folder);
  await expect(prepared).rejects.toThrow(UnsafeFolderError);
  await expect(prepared).rejects.toThrow(
    `CACHE_DIR ${folder} is not safe: ${reason}, or set CACHE_DIR to a folder that only this user can change`,
  );
}

describe("prepareCacheFolder", () => {
  it("creates missing folders for this user only, also below a sticky folder", async () => {
    const shared = folderWithMode(join(tempFolder(), "shared"), 0o1777);
    await prepareCacheFolder(join(shared, "new", "cache"));
    for (const name of ["new", "new/cache"]) {
      expect(statSync(join(shared, name))).toMatchObject({ uid: user });
      expect(statSync(join(shared, name)).mode & 0o777).toBe(0o700);
    }
  });

  it.each(["0700", "0750", "0755"])("permits others to read the folder: mode %s", async (mode) => {
    await prepareCacheFolder(folderWithMode(join(tempFolder(), "cache"), Number.parseInt(mode, 8)));
  });

  it.each(["0777", "1777", "0702"])("refuses a folder that others can write to: mode %s", async (mode) => {
    const folder = folderWithMode(join(tempFolder(), "cache"), Number.parseInt(mode, 8));
    await expectRefusal(folder, `${folder} is writable for other users: run "chmod go-w" on it`);
  });

  it("refuses a folder that others can replace", async () => {
    const parent = folderWithMode(join(tempFolder(), "parent"), 0o777);
    const folder = folderWithMode(join(parent, "cache"), 0o700);
    await expectRefusal(folder, `${parent} is writable for other users: run "chmod go-w" on it`);
    await expectRefusal(
      join(parent, "x", "y"),
      `${parent} is writable for other users: run "chmod go-w" on it`,
    );
  });

  it("checks where a link of this user leads", async () => {
    const folder = tempFolder();
    const link = join(folder, "link");
    symlinkSync(folderWithMode(join(folder, "cache"), 0o700), link);
    await prepareCacheFolder(link);
    await prepareCacheFolder(join(link, "below"));
    const shared = folderWithMode(join(folder, "shared"), 0o1777);
    for (const [index, target] of ["shared", `${shared}/`, "cache/../shared/."].entries()) {
      symlinkSync(target, join(folder, String(index)));
      await expectRefusal(
        join(folder, String(index)),
        `${shared} is writable for other users: run "chmod go-w" on it`,
      );
    }
  });

  it("follows a loop of links only so far", async () => {
    const link = join(tempFolder(), "link");
    symlinkSync(link, link);
    await expectRefusal(link, `${link} is one of too many symbolic links: use a path without links`);
  });

  it("rejects with the system's error if it cannot create the folder", async () => {
    const file = join(tempFolder(), "file");
    writeFileSync(file, "");
    await expect(prepareCacheFolder(join(file, "cache"))).rejects.toThrow("ENOTDIR");
  });
});

describeUnless(
  user === 0 ? undefined : "only root can give folders to other users",
  "prepareCacheFolder with folders of other users",
  () => {
    it("refuses a folder that another user created below a sticky folder", async () => {
      const shared = folderWithMode(join(tempFolder(), "shared"), 0o1777);
      const folder = folderWithMode(join(shared, "app-metrics-proxy"), 0o700);
      chownSync(folder, 1234, 1234);
      await expectRefusal(folder, `${folder} belongs to user 1234: run "chown 0" on it`);
      await expectRefusal(join(folder, "below"), `${folder} belongs to user 1234: run "chown 0" on it`);
    });

    it("refuses a link of another user, wherever it leads", async () => {
      const shared = folderWithMode(join(tempFolder(), "shared"), 0o1777);
      const target = folderWithMode(join(tempFolder(), "cache"), 0o700);
      const link = join(shared, "app-metrics-proxy");
      symlinkSync(target, link);
      lchownSync(link, 1234, 1234);
      expect(readlinkSync(link)).toBe(target);
      await expectRefusal(link, `${link} belongs to user 1234: run "chown 0" on it`);
    });

    it("permits write access for group root, and for no other group", async () => {
      const folder = folderWithMode(join(tempFolder(), "cache"), 0o770);
      await prepareCacheFolder(folder);
      chownSync(folder, 0, 1234);
      await expectRefusal(folder, `${folder} is writable for other users: run "chmod go-w" on it`);
    });

    it("permits the folder of the image, for root and for user 10001", async () => {
      const parent = tempFolder();
      chmodSync(parent, 0o755);
      const folder = folderWithMode(join(parent, "cache"), 0o770);
      chownSync(folder, 10_001, 0);
      await prepareCacheFolder(folder);
      process.seteuid?.(10_001);
      try {
        await prepareCacheFolder(folder);
      } finally {
        process.seteuid?.(0);
      }
      chownSync(folder, 10_001, 10_001);
      await expectRefusal(folder, `${folder} belongs to user 10001: run "chown 0" on it`);
    });
  },
);
