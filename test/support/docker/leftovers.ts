import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const prefix = "app-metrics-proxy-engine-";

/** Creates a folder for an engine or an image; its name contains the pid of this process. */
export async function makeFolder(parent = tmpdir()): Promise<string> {
  return mkdtemp(join(parent, `${prefix}${process.pid}-`));
}

/** The control group of the containers of an engine with this folder. */
export function controlGroupOf(folder: string): string {
  return folder.slice(folder.lastIndexOf("/") + 1);
}

/** Removes a stopped engine's folder and control groups. */
export async function removeFolder(folder: string): Promise<void> {
  await removeControlGroups(controlGroupOf(folder));
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

/** Removes the folders of earlier processes. Their engines ended with them. */
export async function removeLeftovers(parent = tmpdir()): Promise<void> {
  for (const name of await readdir(parent)) {
    const owner = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) await removeFolder(join(parent, name));
  }
}

/** Removes control groups whose processes have ended. */
export async function removeControlGroups(name: string): Promise<void> {
  const root = "/sys/fs/cgroup";
  // cgroup v1 has one tree per controller, v2 has one tree.
  const trees = [root, ...(await readdir(root)).map((tree) => join(root, tree))];
  for (const tree of trees) await removeTree(join(tree, name));
}

async function removeTree(group: string): Promise<void> {
  if (!existsSync(group)) return;
  const entries = await readdir(group, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(group, entry.name));
  // Busy for a moment after its last process has ended. It does no harm if it remains.
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      return await rmdir(group);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
