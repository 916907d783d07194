import { z } from "zod";
import { describeError } from "../errors.js";
import type { Logger } from "../logging.js";
import type { Clock } from "../model/clock.js";
import { maxEpoch } from "../model/version.js";
import { loadJson, saveJson } from "./json-file.js";

/** Who this node is to others, as it outlives the process. */
export interface OriginIdentity {
  /** The name of the node. */
  readonly origin: string;
  readonly epoch: number;
}

const fileName = "origin.json";
const identitySchema = z.object({ origin: z.string().min(1), epoch: z.int().positive().max(maxEpoch) });

/** What an earlier run has kept; undefined where there was none, or it cannot be read. */
export function loadIdentity(folder: string): Promise<OriginIdentity | undefined> {
  return loadJson(folder, fileName, identitySchema);
}

/** Keeps it for the next run. A disk that fails is told and costs nothing else. */
export async function saveIdentity(folder: string, identity: OriginIdentity, logger: Logger): Promise<void> {
  try {
    await saveJson(folder, fileName, identity);
  } catch (error) {
    logger.warn("the epoch of this node cannot be kept on disk", { folder, error: describeError(error) });
  }
}

/**
 * An epoch above all that this node had before: the wall clock's milliseconds, or one above the last one where the
 * clock was set back. A wiped disk leaves the clock; where that fails, too, peers tell what they hold. Where nothing is
 * above the last one, as after a peer claimed to hold the highest, it is the clock's: the peers forget the other.
 */
export function nextEpoch(last: OriginIdentity | undefined, clock: Clock): number {
  const above = (last?.epoch ?? 0) + 1;
  return above > maxEpoch ? clock.now() : Math.max(clock.now(), above);
}
