import * as fs from "node:fs";
import { promisify } from "node:util";

// These cost a third less than the file handles of node:fs/promises, and every scrape ends here.
const open = promisify(fs.open);
const writeFile = promisify(fs.writeFile);
const truncate = promisify(fs.ftruncate);
const close = promisify(fs.close);

const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT;

/**
 * Writes a file's bytes over those that it has, if it is there. Until it is done the file is torn.
 *
 * A new file can be read only by its owner. Throws the system's errors.
 */
export async function overwrite(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    await writeFile(file, bytes);
    await truncate(file, bytes.length);
  } finally {
    await close(file);
  }
}
