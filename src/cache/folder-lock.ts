import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../errors.js";
import { prepareCacheFolder, UnsafeFolderError } from "./cache-folder.js";

/** Another process uses the folder. */
export class FolderLockedError extends AppError {}

const fileName = "lock";
/** Milliseconds to wait for another process that takes the lock at the same time. */
const settleMs = 50;

/**
 * Locks a folder against other proxies for the lifetime of this process, by listening on a Unix socket in it. The lock
 * ends with the process, even after a crash, and works between containers that share a volume. Creates the folder.
 *
 * @returns a function that releases the lock. Without support for sockets, as on a read-only disk, nothing is locked.
 * @throws FolderLockedError if another process holds the lock, UnsafeFolderError if another user can change the folder.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  let directory: FileHandle;
  try {
    await prepareCacheFolder(folder);
    directory = await open(resolve(folder), constants.O_DIRECTORY);
  } catch (error) {
    if (error instanceof UnsafeFolderError) throw error;
    return notLocked;
  }
  try {
    // The path of a socket has at most 107 bytes, which the path of the folder may exceed.
    return await lock(folder, process.platform === "linux" ? `/proc/self/fd/${directory.fd}` : folder);
  } finally {
    await directory.close();
  }
}

/** @param shortFolder another path of the folder, only valid during the call. */
async function lock(folder: string, shortFolder: string): Promise<() => Promise<void>> {
  const path = join(folder, fileName);
  // Created under a temporary name: closing a socket removes the file at its path, which may belong to another process.
  const created = `${fileName}-${randomBytes(4).toString("hex")}`;
  const server = createServer((socket) => socket.destroy());
  try {
    await listen(server, join(shortFolder, created));
  } catch {
    return notLocked;
  }
  const { ino } = await stat(join(folder, created));
  if (!(await isAlive(join(shortFolder, fileName)))) {
    await rename(join(folder, created), path);
    await sleep(settleMs);
    if ((await inodeOf(path)) === ino) return () => release(server, path, ino);
  }
  server.close();
  throw new FolderLockedError(`CACHE_DIR ${folder} is used by another proxy: give each proxy its own folder`);
}

async function notLocked(): Promise<void> {}

async function release(server: Server, path: string, ino: number): Promise<void> {
  if (!server.listening) return;
  if ((await inodeOf(path)) === ino) await rm(path, { force: true });
  await new Promise((resolve) => server.close(resolve));
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.ino;
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.unref();
      resolve();
    });
  });
}

/** Whether a process listens on a socket. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
