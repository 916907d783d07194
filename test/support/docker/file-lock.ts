import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Runs work that only one process may do at a time. @param path of a file that holds the pid of that process. */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  while (!(await take(path))) await sleep(200);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const owner = await readFile(path, "utf8").catch(() => "");
  // A crashed process leaves the file. An empty file is new: its pid is about to be written.
  if (owner !== "" && !existsSync(`/proc/${owner}`)) await rm(path, { force: true });
  return false;
}
