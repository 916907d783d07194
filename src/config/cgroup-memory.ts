import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The files with the limit: cgroup version 2, then version 1. */
const limitFiles = ["memory.max", "memory/memory.limit_in_bytes"];

/** Version 1 writes a number near 2^63 for "no limit". No machine has this much memory. */
const unlimited = 2 ** 50;

/**
 * The memory limit of this process' cgroup, in bytes; undefined without a limit or without cgroups.
 *
 * @param root where the cgroup file system is mounted.
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
 */
export function cgroupMemoryLimit(root = "/sys/fs/cgroup"): number | undefined {
  for (const file of limitFiles) {
    const text = readIfPresent(join(root, file))?.trim() ?? "";
    if (/^\d{1,20}$/.test(text) && Number(text) > 0 && Number(text) < unlimited) return Number(text);
  }
  return undefined;
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
