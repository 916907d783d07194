import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import { maxEpoch } from "../model/version.js";

const fileName = "epoch";

/**
 * An epoch above all that this node had before: the wall clock's milliseconds, or one above what is on disk where
 * the clock was set back. A wiped disk leaves the clock; where that fails, too, peers tell what they hold.
 */
export async function nextEpoch(folder: string, clock: Clock, logger: Logger): Promise<number> {
  const epoch = Math.max(clock.now(), (await readEpoch(folder)) + 1);
  await saveEpoch(folder, epoch, logger);
  return epoch;
}

/** Keeps an epoch for the next start. A disk that fails is told and costs nothing else. */
export async function saveEpoch(folder: string, epoch: number, logger: Logger): Promise<void> {
  const path = join(folder, fileName);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(`${path}.tmp`, `${epoch}\n`, { mode: 0o600 });
    await rename(`${path}.tmp`, path);
  } catch (error) {
    logger.warn("the epoch cannot be kept on disk", { folder, error: describeError(error) });
  }
}

async function readEpoch(folder: string): Promise<number> {
  try {
    const epoch = Number((await readFile(join(folder, fileName), "utf8")).trim());
    return Number.isSafeInteger(epoch) && epoch > 0 && epoch < maxEpoch ? epoch : 0;
  } catch {
    return 0; // The first start, or a disk that cannot be read: the clock decides.
  }
}
