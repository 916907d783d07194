import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Times of a watch, in milliseconds. */
export interface FileWatchTimings {
  /** Interval between checks without a file system event: symbolic links into other folders and network file systems send none. Default 5,000. */
  readonly poll?: number;
  /** A changed file is reported once it has not changed again for this long, so that it is not read half-written. Default 100. */
  readonly settle?: number;
}

/** Checks of a file that keeps changing before it is reported anyway. */
const maxSettleChecks = 10;

/** One state of a file. */
export interface FileState {
  /** Differs from state to state: identity (a replaced file differs), size and times, or the reason why there is no file. */
  readonly signature: string;
  /** When its contents or attributes last changed, in milliseconds since 1970; 0 without a file. */
  readonly changedAt: number;
}

/** Signatures of files by path. */
export type FileSignatures = ReadonlyMap<string, string>;

/** The current state of a file. Never rejects: that it is missing or inaccessible is a state too. */
export async function fileState(path: string): Promise<FileState> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = await stat(path, { bigint: true });
    return { signature: [dev, ino, size, mtimeNs, ctimeNs].join(":"), changedAt: Number(ctimeMs) };
  } catch (error) {
    return { signature: error instanceof Error ? error.message : String(error), changedAt: 0 };
  }
}

/**
 * Calls `onChange` whenever the state of one of the files differs from `known`, until `signal` aborts. Never rejects,
 * unless `onChange` does. Watches folders instead of files, because editors, configuration managers and Kubernetes
 * replace a file by renaming, or by swapping a symbolic link beside it. Opens the watches again in each round,
 * because a folder itself may have been replaced.
 *
 * @param known the files, each with its signature before it was last read.
 * @param onChange receives the current signatures, for example to read the files again. Returns what to watch from
 *   then on: these signatures, or those noted while reading, of the same files or others.
 */
export async function watchFiles(
  known: FileSignatures,
  onChange: (current: FileSignatures) => FileSignatures | Promise<FileSignatures>,
  signal: AbortSignal,
  { poll = 5_000, settle = 100 }: FileWatchTimings = {},
): Promise<void> {
  let last = known;
  while (!signal.aborted) {
    // The watch begins before the check, so that no change between the two is missed.
    const round = startRound(last.keys(), poll, signal);
    try {
      if (isSame(await signaturesOf(last.keys()), last)) await round.over;
    } finally {
      round.close();
    }
    const current = await settled(last, signal, settle);
    if (!signal.aborted && !isSame(current, last)) last = await onChange(current);
  }
}

/** The signatures of files that have not changed for `settle` milliseconds, or keep changing. */
async function settled(last: FileSignatures, signal: AbortSignal, settle: number) {
  let current = await signaturesOf(last.keys());
  for (let check = 0; check < maxSettleChecks && !signal.aborted; check++) {
    await sleep(settle, undefined, { signal }).catch(() => {});
    const previous = current;
    current = await signaturesOf(last.keys());
    if (isSame(current, previous)) break;
  }
  return current;
}

async function signaturesOf(paths: Iterable<string>): Promise<FileSignatures> {
  const states = await Promise.all(
    [...paths].map(async (path) => [path, (await fileState(path)).signature] as const),
  );
  return new Map(states);
}

function isSame(one: FileSignatures, other: FileSignatures): boolean {
  return one.size === other.size && [...one].every(([path, signature]) => other.get(path) === signature);
}

/** `over` resolves on an event in a folder of the files, after `milliseconds`, or when `signal` aborts. */
function startRound(paths: Iterable<string>, milliseconds: number, signal: AbortSignal) {
  const watchers: FSWatcher[] = [];
  let timer: NodeJS.Timeout | undefined;
  let end = () => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
    timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", end);
    for (const folder of new Set([...paths].map((path) => dirname(path)))) {
      try {
        watchers.push(watch(folder, end).on("error", end));
      } catch {
        // The folder does not exist, or the system allows no more watches: the timer covers it.
      }
    }
  });
  const close = () => {
    for (const watcher of watchers) watcher.close();
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  };
  return { over, close };
}
