import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";

/** What an earlier run has kept under a file name; undefined where there was none, or it cannot be read. */
export async function loadJson<T>(
  folder: string,
  fileName: string,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(join(folder, fileName), "utf8")));
  } catch {
    return undefined;
  }
}

/** Keeps it for the next run: a reader finds the old file or the new one, whole. Throws the system's errors. */
export async function saveJson(folder: string, fileName: string, value: unknown): Promise<void> {
  const path = join(folder, fileName);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(`${path}.tmp`, JSON.stringify(value), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}
