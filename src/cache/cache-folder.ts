import type { Stats } from "node:fs";
import { lstat, mkdir, readlink } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { AppError, codeOf } from "../errors.js";

/** Another user can change or replace the folder. */
export class UnsafeFolderError extends AppError {}

/** The image gives its folder to this user and to group root, because it can run as this user or as root. */
const imageUser = 10_001;
const groupRoot = 0;
const writableByGroup = 0o020;
const writableByOthers = 0o002;
const sticky = 0o1000;
const maxLinks = 40;

/**
 * Creates CACHE_DIR and missing folders above it, accessible only to this user, and checks that only this user and root
 * can change it: the folder, each folder above it and each symbolic link in its path belong to one of them, and no one
 * else can write to these folders. A folder above it may be sticky, such as /tmp, because users cannot replace the files
 * of others there. Group root counts as root. Without user ids, as on Windows, nothing is checked.
 *
 * @throws UnsafeFolderError, and system errors.
 */
export async function prepareCacheFolder(folder: string): Promise<void> {
  const user = process.geteuid?.();
  if (user === undefined) return void (await mkdir(folder, { recursive: true }));
  // The owner of / is root, who has another id in some user namespaces.
  const trusted = new Set([user, 0, (await lstat("/")).uid]);
  const refuse = (path: string, problem: string) => {
    const advice = "or set CACHE_DIR to a folder that only this user can change";
    throw new UnsafeFolderError(`CACHE_DIR ${folder} is not safe: ${path} ${problem}, ${advice}`);
  };
  const pending = resolve(folder).split("/");
  let path = "/";
  for (let links = 0; pending.length > 0; ) {
    const next = join(path, pending.shift()!);
    const stat = await statOrCreate(next);
    const { uid, gid } = stat;
    if (!trusted.has(uid) && !(uid === imageUser && gid === groupRoot))
      refuse(next, `belongs to user ${uid}: run "chown ${user}" on it`);
    if (stat.isSymbolicLink()) {
      if (++links > maxLinks) refuse(next, "is one of too many symbolic links: use a path without links");
      const target = await readlink(next);
      pending.unshift(...target.split("/"));
      if (isAbsolute(target)) path = "/";
      continue;
    }
    const mayBeSticky = pending.length > 0;
    if (isWritableForOthers(stat) && !(mayBeSticky && (stat.mode & sticky) > 0))
      refuse(next, `is writable for other users: run "chmod go-w" on it`);
    path = next;
  }
}

function isWritableForOthers({ mode, gid }: Stats): boolean {
  return (mode & writableByOthers) > 0 || ((mode & writableByGroup) > 0 && gid !== groupRoot);
}

async function statOrCreate(path: string): Promise<Stats> {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  await mkdir(path, { mode: 0o700 }).catch((error) => {
    if (codeOf(error) !== "EEXIST") throw error;
  });
  return lstat(path);
}
