import { setTimeout as sleep } from "node:timers/promises";
import { type Access, type AccessSettings, loadAccess } from "../../config/access.js";
import { AppError, describeError } from "../../errors.js";
import { defaultFileWatchTimings, type FileWatchTimings, watchFile } from "../../files/watch-file.js";
import type { Logger } from "../../logging.js";
import type { Telemetry } from "../../telemetry.js";

export interface WebConfigWatchOptions {
  readonly settings: AccessSettings;
  /** The files that the access in use was read from, and their states then, as loadAccess notes them. */
  readonly seen: ReadonlyMap<string, string>;
  /** Goes over to what was read. @throws AppError where that is not possible. */
  readonly use: (access: Access) => void;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly signal: AbortSignal;
  readonly timings?: Partial<FileWatchTimings>;
}

/**
 * Reads the web configuration, its certificates and the token's file again whenever one of them changes, until
 * `signal` aborts; never rejects. What cannot be used is told once, and what was in use before stays.
 */
export async function watchWebConfig(options: WebConfigWatchOptions): Promise<void> {
  const { settings, use, logger, telemetry, signal } = options;
  const timings = { ...defaultFileWatchTimings, ...options.timings };
  let seen = options.seen;
  let told: string | undefined;
  while (!signal.aborted && seen.size > 0) {
    await anyChange(seen, signal, timings);
    // A certificate and its key are two files: the second may still be on its way.
    await sleep(timings.settle, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const now = new Map<string, string>();
    try {
      use(await loadAccess(settings, now, signal));
      seen = now;
      told = undefined;
      telemetry.accessReloadSuccessful.set(1);
      logger.info("the web configuration has changed and is in use");
    } catch (error) {
      if (signal.aborted) return;
      // What it did not come to read may be what has to change.
      seen = new Map([...seen, ...now]);
      telemetry.accessReloadSuccessful.set(0);
      const reason = error instanceof AppError ? describeError(error) : String(error);
      if (reason !== told) {
        logger.error("the web configuration has changed and cannot be used: the one before stays", {
          reason,
        });
      }
      told = reason;
    }
  }
}

/** Resolves when one of the files is in another state than the one that was seen, or `signal` aborts. */
async function anyChange(
  seen: ReadonlyMap<string, string>,
  signal: AbortSignal,
  timings: FileWatchTimings,
): Promise<void> {
  const changed = new AbortController();
  const either = AbortSignal.any([signal, changed.signal]);
  const watches = [...seen].map(([path, state]) =>
    watchFile(path, state, () => changed.abort(), either, timings),
  );
  await Promise.all(watches);
}
