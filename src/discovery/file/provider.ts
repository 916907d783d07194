import { DiscoveryError } from "../../errors.js";
import { readText } from "../../files/read-text.js";
import {
  defaultFileWatchTimings,
  type FileWatchTimings,
  fileState,
  watchFile,
} from "../../files/watch-file.js";
import type { Target } from "../../model/target.js";
import type { TargetProvider } from "../provider.js";
import { parseFileSd } from "./file-sd.js";
import { targetsOf } from "./file-target.js";

export interface FileProviderOptions {
  /** TARGETS_FILE. */
  readonly path: string;
  /** METRICS_PATH: the path where no label names one; begins with a slash. */
  readonly defaultPath: string;
  readonly timings?: Partial<FileWatchTimings>;
}

const maxBytes = 16 * 1024 * 1024;

/** A file's time of change tells little about changes that follow it at once: as long as this, in milliseconds. */
const unsettled = 2_000;

/**
 * The targets in a file of Prometheus' file_sd format, JSON (at most 16 MiB) or YAML (at most 2 MiB). The file is
 * read again when it has changed. While it is missing or cannot be used, listing fails with the reason.
 */
export function createFileProvider(options: FileProviderOptions): TargetProvider {
  const { path, defaultPath } = options;
  /** The file at the last list: what a watch compares with. */
  let listed: string | undefined;
  let good: { readonly signature: string; readonly targets: readonly Target[] } | undefined;

  return {
    name: "file",

    async list(signal) {
      const state = await fileState(path);
      listed = state.signature;
      try {
        signal.throwIfAborted();
        if (good?.signature === state.signature) return good.targets;
        const groups = parseFileSd(await readText(path, maxBytes, signal));
        const targets = unique(groups.flatMap((group) => targetsOf(group, defaultPath)));
        const settled = Math.abs(Date.now() - state.changedAt) > unsettled;
        good = settled ? { signature: state.signature, targets } : undefined;
        return targets;
      } catch (cause) {
        throw new DiscoveryError(`TARGETS_FILE ${path} cannot be used`, { cause });
      }
    },

    async watch(listener, signal) {
      const timings = { ...defaultFileWatchTimings, ...options.timings };
      const known = listed ?? (await fileState(path)).signature;
      await watchFile(path, known, () => listener({ kind: "changed" }), signal, timings);
    },
  };
}

/** Each target once; two that only bear one name are both kept and say so. */
function unique(targets: readonly Target[]): readonly Target[] {
  const byId = new Map(targets.map((target) => [target.id, target]));
  const counts = new Map<string, number>();
  const nameOf = ({ job, replica }: Target) => JSON.stringify([job, replica]);
  for (const target of byId.values()) counts.set(nameOf(target), (counts.get(nameOf(target)) ?? 0) + 1);
  return [...byId.values()].map((target) =>
    counts.get(nameOf(target)) === 1
      ? target
      : {
          ...target,
          problems: [...target.problems, "another target of the file has the same job and instance"],
        },
  );
}
