import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../errors.js";

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
 * @throws FolderLockedError if another process holds the lock.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, fileName);
  // Created under a temporary name: closing a socket removes the file at its path, which may belong to another process.
  const created = `${path}-${randomBytes(4).toString("hex")}`;
  const server = createServer((socket) => socket.destroy());
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await listen(server, created);
  } catch {
    return async () => undefined;
  }
  const { ino } = await stat(created);
  if (!(await isAlive(path))) {
    await rename(created, path);
    await sleep(settleMs);
    if ((await inodeOf(path)) === ino) return () => release(server, path, ino);
  }
  server.close();
  throw new FolderLockedError(`CACHE_DIR ${folder} is used by another proxy: give each proxy its own folder`);
}

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
