import { DiscoveryError } from "../../errors.js";
import { readText } from "../../files/read-text.js";
import { type FileWatchTimings, fileState, watchFiles } from "../../files/watch-file.js";
import type { Target } from "../../model/target.js";
import type { TargetProvider } from "../provider.js";
import { parseFileSd } from "./file-sd.js";
import { targetsOf } from "./file-target.js";

const maxBytes = 16 * 1024 * 1024;

/** Within this time after a change, in milliseconds, another change may leave the same modification time. */
const unsettled = 2_000;

/**
 * The targets of a file in Prometheus' file_sd format, in JSON (at most 16 MiB) or YAML (at most 2 MiB). The file is
 * reloaded when it changes. While it is missing or invalid, listing fails with the reason.
 *
 * @param path TARGETS_FILE.
 * @param metricsPath METRICS_PATH: the path without a label; begins with a slash.
 * @param nodeName the current name of this node.
 */
export function createFileProvider(
  path: string,
  metricsPath: string,
  nodeName: () => string,
  timings?: FileWatchTimings,
): TargetProvider {
  /** The signature of the file at the last list, which a watch compares with. */
  let listed: string | undefined;
  let cached: { readonly key: string; readonly targets: readonly Target[] } | undefined;

  return {
    name: "file",

    async list(signal) {
      const state = await fileState(path);
      listed = state.signature;
      try {
        signal.throwIfAborted();
        const node = nodeName();
        const key = JSON.stringify([state.signature, node]);
        if (cached?.key === key) return cached.targets;
        const groups = parseFileSd(await readText(path, maxBytes, signal));
        const targets = unique(groups.flatMap((group) => targetsOf(group, { metricsPath, node })));
        const settled = Math.abs(Date.now() - state.changedAt) > unsettled;
        cached = settled ? { key, targets } : undefined;
        return targets;
      } catch (cause) {
        throw new DiscoveryError(`TARGETS_FILE ${path} is unusable`, { cause });
      }
    },

    async watch(listener, signal) {
      const known = new Map([[path, listed ?? (await fileState(path)).signature]]);
      await watchFiles(
        known,
        (current) => {
          listener({ kind: "changed" });
          return current;
        },
        signal,
        timings,
      );
    },
  };
}

/** Removes duplicates. Targets that only have the same name are kept, with a problem. */
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
          problems: [
            ...target.problems,
            "another target of the file has the same job and instance: set the label instance",
          ],
        },
  );
}
