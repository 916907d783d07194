import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Times of a watch, in milliseconds. */
export interface FileWatchTimings {
  /** How often the file is looked at though nothing was told: links into other folders, network file systems. */
  readonly poll: number;
  /** How long a change may go on before it is told, so that a file is not read half written. */
  readonly settle: number;
}

export const defaultFileWatchTimings: FileWatchTimings = { poll: 5_000, settle: 100 };

/** One state of a file. */
export interface FileState {
  /** Differs from state to state: which file it is (a replaced one differs), its size and times; or why none is there. */
  readonly signature: string;
  /** When its contents or attributes last changed, in milliseconds since the epoch; 0 where none is there. */
  readonly changedAt: number;
}

/** The state that a file is in. Never rejects: that it cannot be looked at is a state too. */
export async function fileState(path: string): Promise<FileState> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = await stat(path, { bigint: true });
    return { signature: [dev, ino, size, mtimeNs, ctimeNs].join(":"), changedAt: Number(ctimeMs) };
  } catch (error) {
    return { signature: error instanceof Error ? error.message : String(error), changedAt: 0 };
  }
}

/**
 * Calls `onChange` whenever the file is in another state than `known` (a signature), until `signal` aborts; never
 * rejects. Watches the folder, not the file, for editors, config managers and Kubernetes replace it by renaming
 * or by swapping a link beside it. The folder is watched anew each round: it may itself have been replaced.
 */
export async function watchFile(
  path: string,
  known: string,
  onChange: () => void,
  signal: AbortSignal,
  timings: FileWatchTimings,
): Promise<void> {
  let last = known;
  while (!signal.aborted) {
    // Watching begins before the look, so that nothing is missed between the two.
    const round = startRound(dirname(path), timings.poll, signal);
    try {
      const now = (await fileState(path)).signature;
      if (now !== last && !signal.aborted) {
        last = now;
        onChange();
      }
      await round.over;
    } finally {
      round.close();
    }
    await sleep(timings.settle, undefined, { signal }).catch(() => {});
  }
}

/** `over` resolves when something happens in the folder, after `milliseconds`, or when `signal` aborts. */
function startRound(folder: string, milliseconds: number, signal: AbortSignal) {
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  let end = () => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
    timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", end);
    try {
      watcher = watch(folder, end);
      watcher.on("error", end);
    } catch {
      // No such folder, or no watches left: the timer looks after it.
    }
  });
  const close = () => {
    watcher?.close();
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  };
  return { over, close };
}
